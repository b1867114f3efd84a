"""What is wrong in the database: migrations, rights, policies, rows."""

import re

import pytest

from tests.support.check_command import Check, planted, the_problem, told
from tests.support.database import Connection
from tests.support.gateway import gateway
from tests.support.house import UNLIKE_LOCAL
from worker.local.stack import ROOT, Stack

CHANNELS_MIGRATION = ROOT / "supabase/migrations/20261123102300_realtime.sql"
DEAF = "Nobody else hears chat sessions or the worker"
[THE_POLICY] = re.findall(rf'create policy "{DEAF}" on[^;]*;', CHANNELS_MIGRATION.read_text())


def test_one_migration_is_missing(check: Check, database: Connection) -> None:
    version = "20261123102300"
    table = "supabase_migrations.schema_migrations"
    kept = database.execute(f"select * from {table} where version = %s", [version]).fetchone()
    assert kept is not None
    database.execute(f"delete from {table} where version = %s", [version])
    try:
        result = check()
    finally:
        columns = ", ".join(kept)
        database.execute(
            f"insert into {table} ({columns}) values ({', '.join(['%s'] * len(kept))})", list(kept.values())
        )

    assert the_problem(result) == f"Migrations are missing: {version}. Run `supabase db push --remote`."


@pytest.mark.parametrize(
    ("misdeed", "undo", "words"),
    [
        pytest.param(
            "alter table public.chat_messages disable row level security",
            "alter table public.chat_messages enable row level security",
            "Row-level security of public.chat_messages is off: everybody who may read it reads every row. "
            "Run: alter table public.chat_messages enable row level security;",
            id="row-level security is off",
        ),
        pytest.param(
            "alter publication supabase_realtime drop table public.chat_replies",
            "alter publication supabase_realtime add table public.chat_replies",
            "public.chat_replies is not in the publication supabase_realtime: nobody hears of its rows. "
            "Run: alter publication supabase_realtime add table public.chat_replies;",
            id="a table is not published",
        ),
        pytest.param(
            "alter table private.reply_queue disable trigger send_wake_up",
            "alter table private.reply_queue enable trigger send_wake_up",
            "The trigger send_wake_up of private.reply_queue is disabled. "
            "Run: alter table private.reply_queue enable trigger send_wake_up;",
            id="a trigger is disabled",
        ),
        pytest.param(
            "grant select on table public.posts to anon",
            "revoke select on table public.posts from anon",
            "anon may select on public.posts, and should not. Run: revoke select on table public.posts from anon;",
            id="anon may read",
        ),
        pytest.param(
            "grant select (content) on table public.chat_messages to public",
            "revoke select (content) on table public.chat_messages from public",
            "Everybody may select (content) on public.chat_messages, and should not. "
            "Run: revoke select (content) on table public.chat_messages from public;",
            id="anybody may read a column",
        ),
        pytest.param(
            "revoke execute on function public.claim_replies from service_role",
            "grant execute on function public.claim_replies to service_role",
            "service_role may not execute public.claim_replies. "
            "Run: grant execute on function public.claim_replies to service_role;",
            id="the worker may not claim",
        ),
        pytest.param(
            "grant execute on function public.complete_reply to authenticated",
            "revoke execute on function public.complete_reply from authenticated",
            "authenticated may execute public.complete_reply, and should not. "
            "Run: revoke execute on function public.complete_reply from authenticated;",
            id="users may complete",
        ),
        pytest.param(
            "create view public.talk as select content from public.chat_messages",
            "drop view public.talk",
            "The view public.talk reads our rows past their policies: anon, authenticated see everybody's. "
            "Run: alter view public.talk set (security_invoker = true);",
            id="a view of theirs reads past the policies",
        ),
        pytest.param(
            f'drop policy "{DEAF}" on realtime.messages',
            THE_POLICY,
            f"The policy “{DEAF}” of realtime.messages is missing. Create it again, as supabase/migrations has it.",
            id="a restrictive policy was dropped",
        ),
    ],
)
def test_what_only_the_database_knows(
    check: Check, database: Connection, misdeed: str, undo: str, words: str
) -> None:
    with planted(database, misdeed, undo):
        result = check()

    assert the_problem(result) == words


def test_a_policy_of_somebody_elses_is_a_warning(check: Check, database: Connection) -> None:
    with planted(
        database,
        'create policy "All read" on public.chat_messages for select to authenticated using (true)',
        'drop policy "All read" on public.chat_messages',
    ):
        status, findings = check()

    assert status == 0
    [warning] = told(findings, "warning")
    assert warning.startswith("The policy “All read” of public.chat_messages is not ours")


def test_the_demo_account_on_a_project_that_is_not_local(
    check: Check, database: Connection, whole_house: Stack
) -> None:
    with planted(
        database,
        "insert into auth.users (id, email) values (gen_random_uuid(), 'demo@postbro.test')",
        "delete from auth.users where email = 'demo@postbro.test'",
    ):
        at_home, findings = check()
        assert (at_home, told(findings, "problem", "warning")) == (0, [])
        # The same project, under a name that is not one of this machine's.
        with gateway(whole_house.ports.api, host=UNLIKE_LOCAL) as elsewhere:
            status, findings = check(SUPABASE_URL=elsewhere)

    assert status == 1
    plain_text, demo = told(findings, "problem")
    assert plain_text.startswith("SUPABASE_URL is http: the secret key would cross the network in plain text.")
    assert demo.startswith("The demo account demo@postbro.test exists, and its password is public.")


def test_a_worker_of_another_version(check: Check, database: Connection) -> None:
    with planted(
        database,
        """insert into private.workers (id, version, concurrency, alive_until, alive_seconds)
        values ('00000000-0000-4000-8000-000000000000', '0.0.9', 1, now() + interval '5 min', 300)""",
        "delete from private.workers where version = '0.0.9'",
    ):
        status, findings = check()

    assert status == 0
    [warning] = told(findings, "warning")
    assert "1 of version 0.0.9" in warning
