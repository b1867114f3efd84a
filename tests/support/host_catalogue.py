"""The whole catalogue of a project's database, and what of it an installation may add to."""

import psycopg

# Each row of the catalogue as one text, without what Postgres counts or numbers by itself.
CATALOGUE = {
    "schemas": "select nspname, nspacl::text, nspowner::regrole::text from pg_namespace"
    " where nspname !~ '^pg_(toast|temp)'",
    "relations": """select n.nspname, c.relname,
        (select indrelid::regclass::text from pg_index i where i.indexrelid = c.oid), c.relkind,
        c.relowner::regrole::text, c.relacl::text,
        c.relrowsecurity, c.relforcerowsecurity, c.reloptions::text, c.relreplident,
        obj_description(c.oid, 'pg_class')
        from pg_class c join pg_namespace n on n.oid = c.relnamespace""",
    "columns": """select a.attrelid::regclass::text, a.attname, a.atttypid::regtype::text, a.attnotnull,
        a.attacl::text, pg_get_expr(d.adbin, d.adrelid)
        from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        join pg_class c on c.oid = a.attrelid where c.relkind in ('r', 'p', 'v')""",
    "functions": """select p.oid::regprocedure::text, p.proowner::regrole::text, p.proacl::text, p.prosecdef,
        p.proconfig::text, p.prosrc from pg_proc p""",
    "policies": "select * from pg_policies",
    "triggers": """select tgrelid::regclass::text, tgname, tgenabled, pg_get_triggerdef(oid) from pg_trigger
        where not tgisinternal""",
    "constraints": """select conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        from pg_constraint""",
    "types": "select oid::regtype::text, typowner::regrole::text, typacl::text from pg_type",
    "default privileges": """select defaclrole::regrole::text, defaclnamespace::regnamespace::text,
        defaclobjtype, defaclacl::text from pg_default_acl""",
    "event triggers": "select evtname, evtevent, evtenabled from pg_event_trigger",
    "extensions": "select extname, extversion, extnamespace::regnamespace::text from pg_extension",
    "publications": """select pubname, pubowner::regrole::text, puballtables, pubinsert, pubupdate, pubdelete
        from pg_publication""",
    "published tables": "select pubname, schemaname, tablename from pg_publication_tables",
    "roles": "select rolname, rolsuper, rolinherit, rolcreaterole, rolbypassrls, rolconfig::text from pg_roles",
    "memberships": "select roleid::regrole::text, member::regrole::text, inherit_option, set_option"
    " from pg_auth_members",
    "settings": "select setdatabase <> 0, setrole::regrole::text, setconfig::text from pg_db_role_setting",
    "databases": "select datacl::text from pg_database where datname = current_database()",
}
# What may be there afterwards that was not there before.
ADDED = {
    "schemas",
    "relations",
    "columns",
    "functions",
    "policies",
    "triggers",
    "constraints",
    "types",
    "published tables",
}
OUR_NAMES = (
    "posts",
    "post_analyses",
    "chat_sessions",
    "chat_messages",
    "chat_replies",
    "chat_reply_drafts",
    "external_api_call_logs",
    "chat_session_summaries",
    "current_chat_messages",
    "chat_service",
    "reply_queue",
    "draft_pieces",
    "used_ids",
    "erasures",
    "served_places",
    "uncounted_calls",
    "uncounted_replies",
    "call_counts",
    "reply_counts",
    "user_day_counts",
    "usage_asked",
    "usage_spent",
    "plans",
    "chat_settings",
    "user_plans",
    "calls_by_span",
    "latencies_by_span",
    "replies_by_span",
    "use_by_user_and_day",
    "refusals",
    "spend",
    "private.workers",
    "'private', 'workers",
    "private.reconciler",
    "'private', 'reconciler",
    "('analytics', ",
    "('analytics.",
)


def catalogue(url: str) -> dict[str, set[str]]:
    with psycopg.connect(url) as connection:
        return {name: {str(row) for row in connection.execute(statement)} for name, statement in CATALOGUE.items()}


def assert_nothing_of_theirs_changed(before: dict[str, set[str]], after: dict[str, set[str]]) -> None:
    for name in CATALOGUE:
        assert before[name] - after[name] == set(), f"{name}: gone or changed"
        if name not in ADDED:
            assert after[name] - before[name] == set(), f"{name}: not ours to add to"
    known = (*OUR_NAMES, "supabase_migrations", "pg_toast")
    unknown = [
        row
        for name in ("relations", "columns", "triggers", "constraints")
        for row in after[name] - before[name]
        if not any(ours in row for ours in known)
    ]
    assert unknown == []
