"""Each guard alone, on two connections that come at once: the second waits for the first, and is refused."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from tests.support.database import Connection, one_row
from tests.support.holder import CALL, Holder, Reply
from tests.support.people import Chat, People
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("quiet")

ANSWER = (
    "insert into public.chat_messages (session_id, role, reply_to, version, content)"
    " values (%s, 'assistant', %s, 1, 'Because.')"
)
QUESTION = "insert into public.chat_messages (session_id, content) values (%s, 'Why?')"


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def first(database_url: str, thread: ThreadPoolExecutor) -> Iterator[psycopg.Connection[Any]]:
    """Its work is done, and seen by nobody until it commits. It goes before the thread that may wait for it."""
    with psycopg.connect(database_url) as connection:
        yield connection


def waits(second: Future[Any], database: Connection) -> None:
    """Until it stands before a lock."""
    wait_for(
        lambda: database.execute(
            "select pid from pg_stat_activity where wait_event_type = 'Lock' and pid <> pg_backend_pid()"
        ).fetchone(),
        "the second connection to wait for the first",
    )
    assert not second.done()


def by_itself(database_url: str, statement: str, *parameters: object) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement, parameters)


def answers(database: Connection, question: UUID) -> int:
    return len(database.execute("select from public.chat_messages where reply_to = %s", [question]).fetchall())


def test_the_version_key_lets_one_answer_through(
    people: People, database: Connection, database_url: str, first: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    """No fence is asked here: a second answer is impossible whoever tries."""
    chat = people.make_chat()
    question = people.ask(chat)
    first.execute(ANSWER, [chat.session, question])
    second = thread.submit(by_itself, database_url, ANSWER, chat.session, question)
    waits(second, database)
    first.commit()

    with pytest.raises(psycopg.errors.UniqueViolation, match="one_answer_per_version"):
        second.result(10)
    assert answers(database, question) == 1


def test_the_fence_lets_the_holder_settle_and_the_stale_worker_not(
    people: People, database: Connection, database_url: str, first: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    question = people.ask(people.make_chat())
    with Holder(database_url) as stale, Holder(database_url) as holder:
        (old,) = stale.claim()
        database.execute("update private.workers set alive_until = now() where id = %s", [stale.id])
        (current,) = holder.claim()
        first.execute(
            "select public.complete_reply(%s, %s, %s, 'The holder''s.', 'stop', %s)",
            [question, holder.id, current["attempt"], Jsonb(CALL)],
        )
        second = thread.submit(stale.complete, old, "Stale.")
        waits(second, database)
        first.commit()
        assert second.result(10) is False
    stored = database.execute("select content from public.chat_messages where reply_to = %s", [question]).fetchall()
    assert stored == [{"content": "The holder's."}]


def test_a_session_has_one_place_in_the_queue(
    people: People, database: Connection, database_url: str, first: psycopg.Connection, thread: ThreadPoolExecutor
) -> None:
    """Its primary key is the promise that one reply is in flight."""
    chat = people.make_chat()
    one, other = people.ask(chat), people.ask(chat)
    enqueue = """insert into private.reply_queue (session_id, user_id, message_id, place)
        select session_id, user_id, message_id, 0 from public.chat_replies where message_id = %s"""
    database.execute("delete from private.reply_queue where session_id = %s", [chat.session])
    first.execute(enqueue, [one])
    second = thread.submit(by_itself, database_url, enqueue, other)
    waits(second, database)
    first.commit()

    with pytest.raises(psycopg.errors.UniqueViolation, match="reply_queue_pkey"):
        second.result(10)


def test_what_one_worker_is_claiming_no_other_sees(
    people: People, database_url: str, first: psycopg.Connection
) -> None:
    """Not even before the claim is committed, and nobody waits for it."""
    chat = people.make_chat()
    people.ask(chat)
    people.ask(chat)
    with Holder(database_url) as one, Holder(database_url) as other:
        one.register()
        row = one_row(first.execute("select public.claim_replies(%s, 1, 10)", [one.id]))
        assert len(row[0]["replies"]) == 1
        other.connection.execute("set lock_timeout = '2s'")
        assert other.claim() == []
        first.commit()
        assert other.claim() == []


def give_back_by_a_beat(worker: Holder, *_: Reply) -> int:
    worker.beat(known=worker.claims)
    return len(worker.claim())


def bury(dead: Holder, *_: Reply) -> int:
    """How many of its replies the next worker has, who finds it silent."""
    dead.beat(lease=0)
    with Holder(make_conninfo(dead.connection.info.dsn, password=dead.connection.info.password)) as living:
        living.connection.execute("set lock_timeout = '1ms'")
        return len(living.claim())


@pytest.mark.parametrize(
    ("hold", "of_both", "of_one"),
    [
        (lambda worker, *held: len(worker.beat(*held)["replies"]), 2, 2),
        (lambda worker, *held: sum(worker.save_draft(each, "So far") is not None for each in held), 2, 1),
        (Holder.give_back, 2, 1),
        (give_back_by_a_beat, 2, 1),
        (lambda worker, *_: worker.release(), 2, 1),
        (bury, 2, 1),
    ],
    ids=["beat", "save_drafts", "give_back", "beat without them", "release", "burial"],
)
@pytest.mark.parametrize("locked", ["nothing", "lower", "higher"])
def test_what_concerns_many_replies_waits_for_none(
    people: People,
    database_url: str,
    first: psycopg.Connection,
    hold: Callable[..., int],
    of_both: int,
    of_one: int,
    locked: str,
) -> None:
    """Who waits for nothing cannot wait in a ring, and a row that somebody holds stops no other."""
    chats = sorted((people.make_chat() for _ in range(2)), key=lambda chat: chat.session)
    for chat in chats:
        people.ask(chat)
    with Holder(database_url) as worker:
        held = worker.claim()
        assert len(held) == 2
        if locked != "nothing":
            session = chats[locked == "higher"].session
            first.execute("select from private.reply_queue where session_id = %s for update", [session])
        worker.connection.execute("set lock_timeout = '1ms'")
        assert hold(worker, *held) == (of_both if locked == "nothing" else of_one)


@pytest.mark.parametrize("limit", ["of the session", "of the user"])
def test_two_questions_at_once_do_not_slip_past_the_flood_guard(
    people: People,
    database: Connection,
    database_url: str,
    first: psycopg.Connection,
    thread: ThreadPoolExecutor,
    limit: str,
) -> None:
    """One place is left, and each of the two would fit."""
    user = people.make_user()
    chats = [people.make_chat(user) for _ in range(7)]
    if limit == "of the session":
        one = other = chats[0]
        ask(database, one, 19)
    else:
        one, other = chats[5], chats[6]
        for chat in chats[:5]:
            ask(database, chat, 19)
        ask(database, one, 4)
    first.execute(QUESTION, [one.session])
    second = thread.submit(by_itself, database_url, QUESTION, other.session)
    waits(second, database)
    first.commit()

    with pytest.raises(psycopg.Error) as refused:
        second.result(10)
    assert refused.value.sqlstate == "PT429"
    assert count(database, user.id) == (20 if limit == "of the session" else 100)


def ask(database: Connection, chat: Chat, number: int) -> None:
    database.execute(
        "insert into public.chat_messages (session_id, content) select %s, 'Why?' from generate_series(1, %s)",
        [chat.session, number],
    )


def count(database: Connection, user: UUID) -> int:
    found = one_row(database.execute("select count(*) from public.chat_replies where user_id = %s", [user]))
    return found["count"]
