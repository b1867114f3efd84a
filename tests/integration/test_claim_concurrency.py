"""Many workers at once: each reply is claimed by one, sessions keep their order, and no reply is overlooked."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import Holder, Reply
from tests.support.people import Chat, People

pytestmark = pytest.mark.usefixtures("quiet")

THREADS = 16
SESSIONS = 40
QUESTIONS_EACH = 5
PATIENCE_SECONDS = 30.0


def run_together(count: int, work: Callable[[int], None]) -> None:
    """Run `work(0)` … `work(count - 1)` in threads; raise what any of them raised."""
    with ThreadPoolExecutor(count) as threads:
        for future in [threads.submit(work, number) for number in range(count)]:
            future.result()


def ask_at_once(database: Connection, chat: Chat, questions: int) -> list[UUID]:
    rows = database.execute(
        """insert into public.chat_messages (session_id, content)
        select %s, 'Question ' || n from generate_series(1, %s) as n returning id""",
        [chat.session, questions],
    ).fetchall()
    return [row["id"] for row in rows]


def overlaps(database: Connection) -> list[dict[str, Any]]:
    """Pairs of calls of one session that were under way at the same time, by the ledger."""
    return database.execute(
        """select a.session_id, a.message_id from public.external_api_call_logs a
        join public.external_api_call_logs b on a.session_id = b.session_id
          and (a.message_id, a.attempt) <> (b.message_id, b.attempt)
          and a.started_at < b.finished_at and b.started_at < a.finished_at
        where exists (select from public.chat_sessions s where s.id = a.session_id)"""
    ).fetchall()


def out_of_order(database: Connection) -> list[dict[str, Any]]:
    """Questions that were begun before the one of the turn before was settled."""
    return database.execute(
        """select later.message_id from public.chat_replies later
        join public.chat_messages q on q.id = later.message_id
        join public.chat_messages before on before.session_id = q.session_id
          and before.role = 'user' and before.turn = q.turn - 1
        join public.chat_replies earlier on earlier.message_id = before.id
        where earlier.finished_at > later.started_at"""
    ).fetchall()


def count_replies(database: Connection) -> dict[str, int]:
    found = database.execute("select status, count(*) from public.chat_replies group by status").fetchall()
    return {row["status"]: row["count"] for row in found}


def test_each_reply_is_claimed_once_and_in_order(people: People, database: Connection, database_url: str) -> None:
    user_chats = [people.make_chat() for _ in range(SESSIONS)]
    questions = {str(each) for chat in user_chats for each in ask_at_once(database, chat, QUESTIONS_EACH)}
    claims: list[Reply] = []
    deadline = time.monotonic() + PATIENCE_SECONDS

    def work(_: int) -> None:
        with Holder(database_url) as worker:
            while len(claims) < len(questions) and time.monotonic() < deadline:
                for claimed in worker.claim(most=3, lease=60):
                    claims.append(claimed)
                    assert worker.complete(claimed) is True

    run_together(THREADS, work)

    assert Counter(claim["message_id"] for claim in claims) == Counter(dict.fromkeys(questions, 1))
    assert count_replies(database) == {"completed": len(questions)}
    assert (overlaps(database), out_of_order(database)) == ([], [])


def test_no_question_is_overlooked_when_it_comes_with_an_answer(
    people: People, database: Connection, database_url: str
) -> None:
    """A question that comes in while the answer before it is being stored: each thinks the other queues it."""
    chats = [people.make_chat(people.make_user()) for _ in range(4)]
    asking = threading.Event()
    asking.set()
    asked = Counter[UUID]()
    stop_at = time.monotonic() + 4

    def ask(number: int) -> None:
        chat = chats[number]
        with psycopg.connect(database_url, autocommit=True) as connection:
            while time.monotonic() < stop_at:
                try:
                    connection.execute(
                        "insert into public.chat_messages (session_id, content) values (%s, 'Hello')",
                        [chat.session],
                    )
                    asked[chat.session] += 1
                except psycopg.Error as refused:
                    assert refused.sqlstate == "PT429", refused

    def answer(_: int) -> None:
        with Holder(database_url) as worker:
            while asking.is_set() or worker.claim_all(0)["next_due_in_ms"] is not None:
                for claimed in worker.claim(most=2, lease=60):
                    worker.complete(claimed)

    with ThreadPoolExecutor(8) as threads:
        answering = [threads.submit(answer, number) for number in range(4)]
        for future in [threads.submit(ask, number) for number in range(4)]:
            future.result()
        asking.clear()
        for future in answering:
            future.result()

    with Holder(database_url) as worker:
        while replies := worker.claim():
            for claimed in replies:
                worker.complete(claimed)
    assert asked.total() > 50
    assert count_replies(database) == {"completed": asked.total()}
    turns = database.execute(
        "select max(turn), count(*) from public.chat_messages where role = 'user' group by session_id"
    ).fetchall()
    assert all(row["max"] == row["count"] for row in turns)
    assert (overlaps(database), out_of_order(database)) == ([], [])


def test_everything_at_once_ends_without_a_deadlock(people: People, database: Connection, database_url: str) -> None:
    """Questions, answers, edits, versions, wishes to stop, retries, releases and deaths in the same chats."""
    user = people.make_user()
    chats = [people.make_chat(user) for _ in range(3)]
    stop_at = time.monotonic() + 4
    allowed = {"PT429", "PT409", "PT404"}

    def act_as_user(number: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("select set_config('request.jwt.claim.sub', %s, false)", [str(user.id)])
            connection.execute("set role authenticated")
            for turn in range(10_000):
                if time.monotonic() > stop_at:
                    return
                time.sleep(0.03)  # without it, no answer is ever that of the newest question
                statement = (
                    "insert into public.chat_messages (session_id, content) values (%s, 'Hello')",
                    "select public.cancel_reply((select message_id from public.chat_replies"
                    " where session_id = %s and status in ('pending', 'answering') limit 1))",
                    "select public.retry_reply((select message_id from public.chat_replies"
                    " where session_id = %s and status in ('failed', 'cancelled') limit 1))",
                    "insert into public.chat_messages (session_id, content, replaces) select session_id, 'Hello', id"
                    " from public.chat_messages where session_id = %s and role = 'user' order by turn desc limit 1",
                    *[
                        "select public.regenerate_reply((select id from public.chat_messages"
                        " where session_id = %s and role = 'user' order by turn desc limit 1))"
                    ]
                    * 4,  # most come too early, and are refused
                )[(turn + number) % 8]
                try:
                    connection.execute(statement, [chats[turn % 3].session])
                except psycopg.Error as refused:
                    assert refused.sqlstate in allowed, refused

    def live(worker: Holder, turn: int) -> int:
        """Until it is released, buried, or dead; then another comes under a fresh id."""
        while time.monotonic() < stop_at and (answer := worker.claim_all(most=3, lease=0.2))["alive"]:
            for claimed in answer["replies"]:
                turn += 1
                worker.save_draft(claimed, "So far")
                worker.beat(*({**reply, "model": "gemini-test"} for reply in answer["replies"]), lease=0.2)
                if turn % 7 == 6:
                    return turn  # without a word, and with all that it holds
                (
                    lambda reply: worker.complete(reply),
                    lambda reply: worker.fail(reply),
                    lambda reply: worker.fail(reply, retry_in=0),
                    lambda reply: worker.next_attempt(reply),
                    lambda reply: worker.give_back(reply),
                    lambda reply: worker.release(),
                )[turn % 7](claimed)
            worker.beat(lease=0.2, known=worker.claims)  # what is not settled by now goes back
        return turn

    def act_as_worker(number: int) -> None:
        turn = number
        while time.monotonic() < stop_at:
            # Refused in the middle of its burial: what came of it is known with the next beat.
            with Holder(database_url) as worker, suppress(psycopg.errors.LockNotAvailable):
                turn = live(worker, turn)

    def everything_happened() -> bool:
        found = database.execute(
            """select max(version) > 1 and count(replaces) > 0
              and (select count(*) > 0 from public.external_api_call_logs where outcome = 'lost' and user_id = %s)
              as everything from public.chat_messages""",
            [user.id],
        )
        return one_row(found)["everything"] is True

    # On a busy machine the newest question of a chat may never be complete when its next version is asked for.
    for _ in range(6):
        stop_at = time.monotonic() + 4
        run_together(8, lambda number: (act_as_user if number % 2 else act_as_worker)(number))
        if everything_happened():
            break
    assert everything_happened()

    with Holder(database_url) as worker:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while worker.claim_all(0)["next_due_in_ms"] is not None or count_replies(database).keys() & {
            "pending",
            "answering",
        }:
            assert time.monotonic() < deadline, count_replies(database)
            for claimed in worker.claim(lease=60):
                worker.complete(claimed)
    assert set(count_replies(database)) <= {"completed", "failed", "cancelled"}
    answers = database.execute(
        "select r.message_id from public.chat_replies r join public.chat_messages a on a.reply_to = r.message_id"
        " group by r.message_id having count(*) <> max(a.version) or max(a.version) > r.version"
    ).fetchall()
    assert answers == []


def test_deleting_chats_and_answering_do_not_get_in_each_others_way(
    people: People, database: Connection, database_url: str
) -> None:
    user = people.make_user()
    chats = [people.make_chat(user) for _ in range(100)]
    for chat in chats:
        people.ask(chat)
    done = threading.Event()

    def delete(_: int) -> None:
        try:
            with psycopg.connect(database_url, autocommit=True) as connection:
                for chat in chats:
                    connection.execute("delete from public.chat_sessions where id = %s", [chat.session])
        finally:
            done.set()

    def work(_: int) -> None:
        while not done.is_set():
            with Holder(database_url) as worker, suppress(psycopg.errors.LockNotAvailable):
                # Lives that end at once: each claim holds what is being deleted, and takes it from others.
                while not done.is_set() and (answer := worker.claim_all(most=20, lease=0.01))["alive"]:
                    for claimed in answer["replies"]:
                        worker.save_draft(claimed, "So far")
                        worker.fail(claimed, retry_in=0)

    run_together(4, lambda number: (delete if number == 0 else work)(number))
    assert count_replies(database) == {}


def test_deleting_a_chat_waits_for_an_answer_that_is_being_stored(
    people: People, database: Connection, database_url: str
) -> None:
    """Session, then queue: who deletes must take them in the order of who settles."""
    chat = people.make_chat()
    people.ask(chat)

    def delete() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("delete from public.chat_sessions where id = %s", [chat.session])

    with Holder(database_url) as worker, ThreadPoolExecutor(1) as thread:
        (claimed,) = worker.claim(lease=60)
        with psycopg.connect(database_url) as settling:
            # Where complete_reply stands for a moment: it has the session, and not yet the queue.
            settling.execute("select from public.chat_sessions where id = %s for no key update", [chat.session])
            deleting = thread.submit(delete)
            time.sleep(0.3)
            settling.execute(
                "select public.complete_reply(%s, %s, 1, 'Because.', 'stop', '{}')",
                [claimed["message_id"], worker.id],
            )
        deleting.result()
    assert count_replies(database) == {}
