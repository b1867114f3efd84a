"""What a careless host opens of ours, the check names; and what it says to run closes it again."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.support.database import one_row
from worker.check import expected, installation
from worker.check.findings import Finding

MEMBER = "create role member; grant member to authenticator;"
REPORTS = "create schema reports; grant usage on schema reports to authenticated;"


@pytest.fixture
def host(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Whoever runs the project; whatever they do is undone at the end."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        yield connection
        connection.rollback()


def found(host: psycopg.Connection[Any]) -> list[Finding]:
    names = [Jsonb([*expected.RELATIONS, expected.CHANNELS]), Jsonb(list(expected.FUNCTIONS))]
    facts = one_row(host.execute("select public.check_installation(%s, %s) as facts", names))
    findings = installation.judge(facts["facts"], installation.versions(), local=True)
    return [finding for finding in findings if finding.level != "ok" and finding.subject != "workers"]


def remedied(host: psycopg.Connection[Any], findings: list[Finding]) -> None:
    for finding in findings:
        run = re.search(r"[Rr]un: (.*)", finding.remedy)
        assert run, finding
        host.execute(run[1])


@pytest.mark.parametrize(
    ("misdeed", "told"),
    [
        pytest.param(
            "grant select on public.external_api_call_logs to authenticated",
            [("problem", "authenticated may select on public.external_api_call_logs, and should not.")],
            id="the ledger is readable",
        ),
        pytest.param(
            "grant insert, update on public.chat_messages to authenticated",
            [("problem", "authenticated may insert, update on public.chat_messages, and should not.")],
            id="every column may be written",
        ),
        pytest.param(
            "grant update (last_turn) on public.chat_sessions to public",
            [("problem", "Everybody may update (last_turn) on public.chat_sessions, and should not.")],
            id="everybody may write a column",
        ),
        pytest.param(
            f"{MEMBER} grant select on public.chat_messages to member",
            [("problem", "member may select on public.chat_messages, and should not.")],
            id="a role of its own, which tokens may name",
        ),
        pytest.param(
            "create role metabase; grant select on public.chat_messages to metabase",
            [("warning", "metabase may select on public.chat_messages, and should not.")],
            id="a role of its own, which no token may name",
        ),
        pytest.param(
            "grant usage on schema private to authenticated",
            [("warning", "authenticated has usage on the schema private, and nothing of ours needs that.")],
            id="the private schema may be used",
        ),
        pytest.param(
            "grant execute on function private.claim_replies to authenticated",
            [("problem", "authenticated may execute private.claim_replies, and should not.")],
            id="a function of the worker",
        ),
        pytest.param(
            f"{MEMBER} grant execute on function public.complete_reply to member",
            [("problem", "member may execute public.complete_reply, and should not.")],
            id="a function of the worker, for a role of its own",
        ),
        pytest.param(
            "revoke execute on function private.is_own_channel from public",
            [("problem", "Everybody may not execute private.is_own_channel.")],
            id="what the policies ask may be asked by nobody",
        ),
        pytest.param(
            "alter table public.chat_messages disable row level security",
            [
                (
                    "problem",
                    "Row-level security of public.chat_messages is off: everybody who may read it reads every row.",
                )
            ],
            id="row-level security is off",
        ),
        pytest.param(
            # Here default privileges let users read what is made.
            "create view public.talk as select * from public.chat_messages",
            [
                (
                    "problem",
                    "The view public.talk reads our rows past their policies: anon, authenticated see everybody's.",
                )
            ],
            id="a view of its own",
        ),
        pytest.param(
            f"""{REPORTS} create view reports.per_day as select content from public.current_chat_messages;
            create view reports.talk as select * from reports.per_day;
            grant select on reports.talk to authenticated""",
            [("problem", "The view reports.talk reads our rows past their policies: authenticated see everybody's.")],
            id="a view over a view over a view of ours",
        ),
        pytest.param(
            f"{MEMBER} create view public.heard as select topic, payload from realtime.messages;"
            "revoke all on public.heard from anon, authenticated; grant select (payload) on public.heard to member;"
            "grant usage on schema public to member",
            [("problem", "The view public.heard reads our rows past their policies: member see everybody's.")],
            id="a view of channels, a column of it, for a role of its own",
        ),
        pytest.param(
            f"""{REPORTS} create materialized view reports.words as select content from public.chat_messages;
            grant select on reports.words to authenticated""",
            [
                (
                    "problem",
                    "The view reports.words reads our rows past their policies: authenticated see everybody's.",
                )
            ],
            id="a materialized view",
        ),
    ],
)
def test_what_is_open_is_told_and_closed_by_what_is_told(
    host: psycopg.Connection[Any], misdeed: str, told: list[tuple[str, str]]
) -> None:
    host.execute(misdeed.encode())
    findings = found(host)
    assert [(finding.level, finding.words) for finding in findings] == told
    remedied(host, findings)
    assert found(host) == []


@pytest.mark.parametrize("role", ["authenticated", "anon", "public"])
def test_rights_on_all_tables_are_told_of_each(host: psycopg.Connection[Any], role: str) -> None:
    host.execute(f"grant all on all tables in schema public, private, analytics to {role}".encode())
    findings = found(host)
    assert {finding.level for finding in findings} == {"problem"}
    assert len(findings) == len(expected.RELATIONS)
    remedied(host, findings)
    assert found(host) == []


def test_rights_on_all_functions_are_told_of_each_that_has_an_effect(host: psycopg.Connection[Any]) -> None:
    host.execute(b"grant execute on all functions in schema public, private to anon")
    findings = found(host)
    assert {finding.level for finding in findings} == {"problem"}
    assert len(findings) == len(expected.FUNCTIONS) - 1  # one is everybody's
    remedied(host, findings)
    assert found(host) == []


@pytest.mark.parametrize(
    ("misdeed", "level", "words"),
    [
        (
            'create policy "All read" on public.chat_messages for select using (true)',
            "warning",
            "The policy “All read” of public.chat_messages is not ours: it may open rows to others.",
        ),
        (
            'drop policy "Owners ask in their chat sessions" on public.chat_messages',
            "problem",
            "The policy “Owners ask in their chat sessions” of public.chat_messages is missing.",
        ),
        (
            'alter policy "Owners read their posts" on public.posts using (true)',
            "problem",
            "The policy “Owners read their posts” of public.posts is permissive select to authenticated, whatever the"
            " row and should be permissive select to authenticated.",
        ),
        (
            'alter policy "Owners read their posts" on public.posts to anon, authenticated',
            "problem",
            "The policy “Owners read their posts” of public.posts is permissive select to anon, authenticated"
            " and should be permissive select to authenticated.",
        ),
        (
            'alter policy "Only the database and the worker speak in chat sessions" on realtime.messages to anon',
            "problem",
            "The policy “Only the database and the worker speak in chat sessions” of realtime.messages is"
            " restrictive insert to anon and should be restrictive insert to public.",
        ),
    ],
)
def test_policies_that_are_not_as_they_were(
    host: psycopg.Connection[Any], misdeed: str, level: str, words: str
) -> None:
    host.execute(misdeed.encode())
    assert [(finding.level, finding.words) for finding in found(host)] == [(level, words)]


@pytest.mark.parametrize(
    "harmless",
    [
        "create view public.talk with (security_invoker = on) as select * from public.chat_messages",
        "create view public.talk as select * from public.chat_messages; revoke all on public.talk from public, anon,"
        " authenticated",
        "create schema reports; create view reports.talk as select * from public.chat_messages;"
        "grant select on reports.talk to authenticated",
        "create view public.numbers as select 1 as one",
        "create table public.notes (id integer); grant all on public.notes to anon",
    ],
    ids=[
        "with its caller's rights",
        "that users may not read",
        "in a schema that they may not use",
        "of its own",
        "a table",
    ],
)
def test_what_opens_nothing_is_not_told(host: psycopg.Connection[Any], harmless: str) -> None:
    host.execute(harmless.encode())
    assert found(host) == []


def test_every_function_that_runs_as_its_owner_is_looked_at(host: psycopg.Connection[Any]) -> None:
    """Any other does no more than its caller may; and a trigger's can be called by nobody."""
    rows = host.execute(
        """select n.nspname || '.' || p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in ('public', 'private') and pg_get_userbyid(p.proowner) = 'postgres'
          and p.prosecdef and p.prorettype <> 'trigger'::regtype"""
    ).fetchall()
    assert {row["name"] for row in rows} <= expected.FUNCTIONS.keys()
