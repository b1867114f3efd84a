"""What the catalogue says of our objects, whole: a right or a policy that is not listed here is a defect."""

from typing import Any

import pytest

from tests.support.database import Connection

ANALYTICS = (
    "calls",
    "recent_sessions",
    "messages_per_session",
    "session_duration",
    "session_averages",
    "tokens_per_message",
    "daily_use",
    "cost_by_day",
    "cost_by_model",
    "cost_by_user",
    "latency_percentiles",
    "failure_causes",
    "retries",
)
SUMS = ("calls_by_span", "latencies_by_span", "replies_by_span", "use_by_user_and_day")
SEQUENCES = ("refusals_paused_seq", "refusals_spend_cap_day_seq", "refusals_spend_cap_month_seq")
# Table → role → rights, as letters: select, insert, update, delete. Rights on columns name the columns.
TABLE_RIGHTS = {
    "public.posts": {"authenticated": "s", "service_role": "siud"},
    "public.post_analyses": {"authenticated": "s", "service_role": "siud"},
    "public.plans": {"authenticated": "s", "service_role": "s"},
    "public.chat_settings": {"service_role": "s"},
    "public.user_plans": {"authenticated": "s", "service_role": "siud"},
    "public.chat_sessions": {"authenticated": "sd", "service_role": "s"},
    "public.chat_messages": {"authenticated": "s", "service_role": "s"},
    "public.chat_replies": {"authenticated": "s", "service_role": "s"},
    "public.chat_reply_drafts": {"authenticated": "s"},
    "public.chat_service": {"authenticated": "s"},
    "public.external_api_call_logs": {"service_role": "s"},
    "private.reply_queue": {},
    "private.workers": {},
    "private.draft_pieces": {},
    "private.used_ids": {},
    "private.erasures": {},
    "private.served_places": {},
    "private.reconciler": {},
    "private.spend": {},
    "private.refusals": {},
    **{f"private.{name}": {} for name in SEQUENCES},
    "private.uncounted_calls": {},
    "private.uncounted_replies": {},
    "private.call_counts": {},
    "private.reply_counts": {},
    "private.user_day_counts": {},
    "private.usage_asked": {},
    "private.usage_spent": {},
    **{f"private.{name}": {} for name in SUMS},
    "public.chat_session_summaries": {"authenticated": "s"},
    "public.current_chat_messages": {"authenticated": "s", "service_role": "s"},
    **{f"analytics.{name}": {} for name in ANALYTICS},
}
RELATIONS = TABLE_RIGHTS.keys() - {f"private.{name}" for name in SEQUENCES}
VIEWS = {
    "public.chat_reply_drafts",
    "public.chat_service",
    "public.chat_session_summaries",
    "public.current_chat_messages",
    *(f"private.{name}" for name in SUMS),
    *(f"analytics.{name}" for name in ANALYTICS),
}
COLUMN_RIGHTS = {
    ("public.chat_sessions", "authenticated", "insert"): {"user_id", "post_analysis_id"},
    ("public.chat_sessions", "authenticated", "update"): {"status"},
    ("public.chat_messages", "authenticated", "insert"): {"id", "session_id", "role", "content", "replaces"},
    ("public.chat_messages", "service_role", "insert"): {"id", "session_id", "role", "content", "replaces"},
}
# Function → who may execute it, beside its owner. A function in private that is not here: nobody.
FUNCTION_RIGHTS = {
    "public.open_chat_session": {"authenticated"},
    "public.chat_reply_drafts": {"authenticated"},
    "private.own_drafts": {"authenticated"},
    # What policies ask that every role meets.
    "private.is_own_channel": {"public"},
    "private.chat_service": {"authenticated"},
    **{
        f"{schema}.{name}": {role}
        for schema in ("public", "private")
        for role, names in {
            "authenticated": ("retry_reply", "cancel_reply", "regenerate_reply", "chat_usage"),
            "service_role": (
                "register_worker",
                "claim_replies",
                "beat",
                "give_back",
                "save_drafts",
                "next_attempt",
                "complete_reply",
                "fail_reply",
                "release_replies",
                "reconcile_replies",
                "measure_spend",
                "erase_broadcasts",
                "ops_report",
                "ops_queue",
                "check_installation",
            ),
        }.items()
        for name in names
    },
}
# Policy → its table, operation, kind and roles.
POLICIES = {
    "Owners read their posts": ("public.posts", "SELECT", "PERMISSIVE", {"authenticated"}),
    "Owners read the analyses of their posts": (
        "public.post_analyses",
        "SELECT",
        "PERMISSIVE",
        {"authenticated"},
    ),
    "Everybody signed in reads the plans": ("public.plans", "SELECT", "PERMISSIVE", {"authenticated"}),
    "Users read their own plan": ("public.user_plans", "SELECT", "PERMISSIVE", {"authenticated"}),
    "Owners read their chat sessions": ("public.chat_sessions", "SELECT", "PERMISSIVE", {"authenticated"}),
    "Users open chat sessions on their own analyses": (
        "public.chat_sessions",
        "INSERT",
        "PERMISSIVE",
        {"authenticated"},
    ),
    "Owners archive and reopen their chat sessions": (
        "public.chat_sessions",
        "UPDATE",
        "PERMISSIVE",
        {"authenticated"},
    ),
    "Owners delete their chat sessions": ("public.chat_sessions", "DELETE", "PERMISSIVE", {"authenticated"}),
    "Owners read the messages of their chat sessions": (
        "public.chat_messages",
        "SELECT",
        "PERMISSIVE",
        {"authenticated"},
    ),
    "Owners ask in their chat sessions": ("public.chat_messages", "INSERT", "PERMISSIVE", {"authenticated"}),
    "Owners see the state of their replies": (
        "public.chat_replies",
        "SELECT",
        "PERMISSIVE",
        {"authenticated"},
    ),
    "Owners hear their chat sessions": ("realtime.messages", "SELECT", "PERMISSIVE", {"authenticated"}),
    # The exceptions to "to authenticated": whoever else there is must be kept off these topics, too.
    "Nobody else hears chat sessions or the worker": ("realtime.messages", "SELECT", "RESTRICTIVE", {"public"}),
    "Only the database and the worker speak in chat sessions": (
        "realtime.messages",
        "INSERT",
        "RESTRICTIVE",
        {"public"},
    ),
    "Nobody changes what was said in chat sessions": ("realtime.messages", "UPDATE", "RESTRICTIVE", {"public"}),
}
LETTERS = {"SELECT": "s", "INSERT": "i", "UPDATE": "u", "DELETE": "d"}

OURS = "n.nspname in ('public', 'private', 'analytics') and pg_get_userbyid({owner}) = 'postgres'"


def query(database: Connection, statement: str) -> list[dict[str, Any]]:
    return database.execute(statement).fetchall()


def test_rights_on_tables(database: Connection) -> None:
    rows = query(
        database,
        f"""select n.nspname || '.' || c.relname as name, a.privilege_type as privilege,
            case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end as role, a.is_grantable
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        left join aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a on a.grantee <> c.relowner
        where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and {OURS.format(owner="c.relowner")}""",
    )
    seen: dict[str, dict[str, str]] = {row["name"]: {} for row in rows}
    for row in rows:
        if row["role"]:
            assert not row["is_grantable"]
            rights = seen[row["name"]]
            rights[row["role"]] = rights.get(row["role"], "") + LETTERS.get(row["privilege"], row["privilege"])
    in_order = {
        name: {role: "".join(sorted(letters, key="siud".find)) for role, letters in rights.items()}
        for name, rights in seen.items()
    }
    assert in_order == TABLE_RIGHTS


def test_rights_on_columns(database: Connection) -> None:
    rows = query(
        database,
        f"""select n.nspname || '.' || c.relname as name, t.attname, lower(a.privilege_type) as privilege,
            case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end as role
        from pg_attribute t join pg_class c on c.oid = t.attrelid
        join pg_namespace n on n.oid = c.relnamespace
        cross join aclexplode(t.attacl) a where {OURS.format(owner="c.relowner")}""",
    )
    seen: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        seen.setdefault((row["name"], row["role"], row["privilege"]), set()).add(row["attname"])
    assert seen == COLUMN_RIGHTS


def functions(database: Connection) -> list[dict[str, Any]]:
    return query(
        database,
        f"""select n.nspname || '.' || p.proname as name, n.nspname as schema, p.prosecdef as definer,
            p.proconfig as settings, p.prorettype = 'trigger'::regtype as is_trigger,
            obj_description(p.oid, 'pg_proc') as comment,
            array(select case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee)::text end
                from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                where a.grantee <> p.proowner) as roles
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where {OURS.format(owner="p.proowner")}""",
    )


def test_rights_on_functions(database: Connection) -> None:
    found = functions(database)
    assert {row["name"] for row in found} >= FUNCTION_RIGHTS.keys()
    seen = {row["name"]: set(row["roles"]) for row in found if row["roles"]}
    assert seen == FUNCTION_RIGHTS
    assert {row["name"] for row in found if row["schema"] == "public"} <= FUNCTION_RIGHTS.keys()


def test_every_function_has_an_empty_search_path(database: Connection) -> None:
    assert [row["name"] for row in functions(database) if 'search_path=""' not in (row["settings"] or [])] == []


def test_how_long_functions_wait_for_a_lock(database: Connection) -> None:
    """Users' commands 300 ms, a settle and a release one second; what concerns many replies waits for none.

    And erasing, which looks through all that was sent, may take longer than the API's roles are given.
    """
    settings = {row["name"]: set(row["settings"]) - {'search_path=""'} for row in functions(database)}
    commands = ("retry_reply", "cancel_reply", "regenerate_reply", "lock_user", "lock_session", "replace_question")
    settles = ("complete_reply", "fail_reply", "next_attempt", "release_replies")
    assert {name: found for name, found in settings.items() if found} == {
        **{f"private.{name}": {"lock_timeout=300ms"} for name in commands},
        **{f"private.{name}": {"lock_timeout=1s"} for name in settles},
        "public.erase_broadcasts": {"statement_timeout=60s"},
    }


def test_definers_are_private(database: Connection) -> None:
    assert [row["name"] for row in functions(database) if row["definer"] and row["schema"] == "public"] == []


def test_every_public_function_has_a_comment(database: Connection) -> None:
    assert [row["name"] for row in functions(database) if row["schema"] == "public" and not row["comment"]] == []


def test_nobody_may_use_the_schemas_that_are_not_exposed(database: Connection) -> None:
    rows = query(
        database,
        """select n.nspacl::text as acl, array(select r.rolname::text from pg_roles r
            where not r.rolsuper and r.rolname in ('anon', 'authenticated', 'service_role')
              and (has_schema_privilege(r.oid, n.oid, 'usage') or has_schema_privilege(r.oid, n.oid, 'create'))
            ) as roles
        from pg_namespace n where n.nspname in ('private', 'analytics')""",
    )
    assert [row["roles"] for row in rows] == [[], []]
    assert not any("=U" in (row["acl"] or "").replace("postgres=U", "") for row in rows)


def test_row_level_security_is_on_everywhere(database: Connection) -> None:
    rows = query(
        database,
        f"""select n.nspname || '.' || c.relname as name, c.relrowsecurity as on
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and {OURS.format(owner="c.relowner")}""",
    )
    assert {row["name"]: row["on"] for row in rows} == dict.fromkeys(RELATIONS - VIEWS, True)


def test_views_read_with_the_rights_of_their_caller(database: Connection) -> None:
    """Without security_invoker a view reads as its owner, whom no policy stops."""
    rows = query(
        database,
        f"""select n.nspname || '.' || c.relname as name, c.reloptions::text[] as options
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'v' and {OURS.format(owner="c.relowner")}""",
    )
    assert {row["name"]: row["options"] for row in rows} == {name: ["security_invoker=true"] for name in VIEWS}


def test_policies(database: Connection) -> None:
    rows = query(
        database,
        """select policyname, schemaname || '.' || tablename as name, cmd, permissive, roles::text[] as roles
        from pg_policies where schemaname in ('public', 'private', 'realtime')""",
    )
    seen = {row["policyname"]: (row["name"], row["cmd"], row["permissive"], set(row["roles"])) for row in rows}
    assert seen == POLICIES
    assert len(rows) == len(POLICIES)


def test_policies_ask_for_the_user_once(database: Connection) -> None:
    """`auth.uid()` outside a sub-select is evaluated for every row."""
    rows = query(
        database,
        """select policyname, coalesce(qual, '') || coalesce(with_check, '') as text
        from pg_policies where schemaname in ('public', 'realtime')""",
    )
    for row in rows:
        assert row["text"].count("auth.uid()") == row["text"].count("( SELECT auth.uid() AS uid)"), row


def test_every_table_has_a_comment(database: Connection) -> None:
    rows = query(
        database,
        f"""select n.nspname || '.' || c.relname as name, obj_description(c.oid, 'pg_class') as comment
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v') and {OURS.format(owner="c.relowner")}""",
    )
    assert {row["name"] for row in rows if row["comment"]} == RELATIONS


def test_row_changes_are_sent_of_messages_and_replies_only(database: Connection) -> None:
    rows = query(
        database,
        """select schemaname || '.' || tablename as name from pg_publication_tables
        where pubname = 'supabase_realtime'""",
    )
    assert {row["name"] for row in rows} == {"public.chat_messages", "public.chat_replies"}


def test_every_foreign_key_has_an_index(database: Connection) -> None:
    """Without one, deleting a parent reads the whole child."""
    rows = query(
        database,
        """select conrelid::regclass::text || ' ' || conname as name from pg_constraint k
        join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
        where k.contype = 'f' and n.nspname in ('public', 'private') and not exists (
            select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
            where i.indrelid = k.conrelid and a.attnum = any (k.conkey)
              and coalesce(pg_get_expr(i.indpred, i.indrelid), '') in ('', format('(%I IS NOT NULL)', a.attname)))""",
    )
    assert [row["name"] for row in rows] == []


@pytest.mark.parametrize("schema", ["public", "private"])
def test_no_default_privileges_of_ours(database: Connection, schema: str) -> None:
    """Those of a new project, and nothing else: a migration must not change them."""
    rows = query(
        database,
        f"""select pg_get_userbyid(d.defaclrole) as role, d.defaclobjtype::text as kind
        from pg_default_acl d join pg_namespace n on n.oid = d.defaclnamespace
        where n.nspname = '{schema}'""",
    )
    expected = {(role, kind) for role in ("postgres", "supabase_admin") for kind in "rSf"}
    assert {(row["role"], row["kind"]) for row in rows} == (expected if schema == "public" else set())
