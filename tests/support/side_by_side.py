"""Concurrent connections: uncommitted work, work that waits for it, and planted rows."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from tests.support.holder import Holder
from tests.support.people import User
from tests.support.waiting import wait_for
from worker.local.stack import Stack
from worker.local.supabase.passwords import SUPERUSER

Work = psycopg.Connection[Any]

AT_ONCE_MS = 900
"""What waits for no lock is done by then on a busy machine, too. Less than the second for which a settle may wait."""


@contextmanager
def open_work(database_url: str) -> Iterator[Work]:
    """An operator's transaction. It holds what it has locked until the test commits it, or the block ends."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


@contextmanager
def uncommitted(holder: Holder) -> Iterator[Work]:
    """The worker's work in this block stays uncommitted until it commits, or the block ends."""
    holder.connection.autocommit = False
    try:
        yield holder.connection
        holder.connection.commit()
    finally:
        holder.connection.rollback()
        holder.connection.autocommit = True


@contextmanager
def as_user(database_url: str, user: User) -> Iterator[Work]:
    """A transaction as the API opens one for a user; it is rolled back unless the test commits."""
    with psycopg.connect(database_url) as connection:
        connection.execute("set statement_timeout = '3s'")  # of the API: 8 s on a hosted project
        connection.execute("set role authenticated")
        connection.execute("select set_config('request.jwt.claim.sub', %s, false)", [str(user.id)])
        connection.commit()
        yield connection
        connection.rollback()


@contextmanager
def in_background(connection: Work, work: Callable[[], Any], database: Any) -> Iterator[Future[Any]]:
    """Runs `work`, which uses `connection`, and goes on when it stands before a lock."""
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(work)
        try:
            wait_for(
                lambda: (
                    database.execute(
                        "select from pg_stat_activity where pid = %s and wait_event_type = 'Lock'",
                        [connection.info.backend_pid],
                    ).fetchone()
                    is not None
                    or running.done()
                ),
                "the work to stand before a lock",
            )
            assert not running.done(), running
            yield running
        except BaseException:
            database.execute("select pg_cancel_backend(%s)", [connection.info.backend_pid])
            raise


def hurry(*holders: Holder) -> None:
    """Whatever these workers ask for is ended if it waits."""
    for holder in holders:
        holder.connection.execute(f"set statement_timeout = {AT_ONCE_MS}")


def fall_silent(database: Any, *holders: Holder) -> None:
    """As if their life had passed without a beat."""
    database.execute(
        "update private.workers set alive_until = now() - interval '1 ms' where id = any (%s)",
        [[holder.id for holder in holders]],
    )


def beat_late(holder: Holder, *held: dict[str, Any], known: int | None = None) -> dict[str, Any]:
    """A beat that says what the worker holds, and that it knows the fate of all its claims."""
    return holder.beat(*held, known=holder.claims if known is None else known)


def reply_of(database: Any, question: UUID | str) -> dict[str, Any]:
    return database.execute("select * from public.chat_replies where message_id = %s", [question]).fetchone()


def status_of(database: Any, question: UUID | str) -> str:
    return str(reply_of(database, question)["status"])


def queued(database: Any, question: UUID | str) -> dict[str, Any] | None:
    return database.execute("select * from private.reply_queue where message_id = %s", [question]).fetchone()


def place_of(database: Any, question: UUID | str) -> dict[str, Any]:
    """The row of a question that is in the queue."""
    place = queued(database, question)
    assert place is not None
    return place


def deaths_of(database: Any, question: UUID | str) -> int:
    return int(place_of(database, question)["deaths"])


def is_registered(database: Any, holder: Holder) -> bool:
    return database.execute("select from private.workers where id = %s", [holder.id]).fetchone() is not None


def ledger(database: Any, question: UUID | str) -> list[tuple[int, str]]:
    rows = database.execute(
        "select attempt, outcome from public.external_api_call_logs where message_id = %s order by attempt",
        [question],
    ).fetchall()
    return [(row["attempt"], row["outcome"]) for row in rows]


def answers(database: Any, question: UUID | str) -> list[dict[str, Any]]:
    return database.execute(
        "select version, content, finish_reason from public.chat_messages where reply_to = %s order by version",
        [question],
    ).fetchall()


def drafts(database: Any, question: UUID | str) -> int:
    found = database.execute("select from private.draft_pieces where message_id = %s", [question]).fetchall()
    return len(found)


def ids(replies: list[dict[str, Any]]) -> set[str]:
    return {reply["message_id"] for reply in replies}


@contextmanager
def planted(stack: Stack) -> Iterator[Work]:
    """The superuser's connection with all triggers off: rows can be made to contradict each other."""
    with psycopg.connect(stack.postgres.url(SUPERUSER), autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        yield connection


@contextmanager
def poison(stack: Stack, table: str, moment: str, session: UUID, error: str) -> Iterator[None]:
    """Whatever `moment` ("before update", …) names on `table` raises SQLSTATE `error` for the rows of one session."""
    name = f"poison_{uuid4().hex}"
    row = "old" if "delete" in moment else "new"
    with psycopg.connect(stack.postgres.url(SUPERUSER), autocommit=True) as connection:
        connection.execute(
            f"""create function private.{name}() returns trigger language plpgsql as $$
            begin
              raise exception 'poison' using errcode = '{error}';
            end $$"""
        )
        connection.execute(
            f"create trigger {name} {moment} on {table} for each row"
            f" when ({row}.session_id = '{session}') execute function private.{name}()"
        )
        try:
            yield
        finally:
            connection.execute(f"drop function private.{name}() cascade")


def piece(reply: dict[str, Any], content: str, starts_at: int = 0) -> Jsonb:
    return Jsonb(
        [
            {
                **{name: reply[name] for name in ("message_id", "attempt", "version")},
                "starts_at": starts_at,
                "content": content,
            }
        ]
    )
