"""Policies and the schemas around them: a policy that is not listed here is a defect."""

import pytest

from tests.support.catalogue import query
from tests.support.database import Connection

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
