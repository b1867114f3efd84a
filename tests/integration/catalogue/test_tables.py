"""Tables and views as the catalogue has them: a right that is not listed here is a defect."""

from tests.support.catalogue import OURS, query
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
LETTERS = {"SELECT": "s", "INSERT": "i", "UPDATE": "u", "DELETE": "d"}


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
