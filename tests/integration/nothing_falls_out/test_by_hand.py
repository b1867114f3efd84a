"""By hand in the dashboard, while something else happens in the same chat."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.support.database import Connection
from tests.support.holder import MakeHolder
from tests.support.people import Chat, People
from tests.support.reconciler import contradictions
from tests.support.side_by_side import (
    as_user,
    drafts,
    ids,
    in_background,
    ledger,
    open_work,
    status_of,
    uncommitted,
)

pytestmark = pytest.mark.usefixtures("quiet")

ASK = "insert into public.chat_messages (session_id, content) values (%s, 'The next one')"


def refused_as_busy(connection: psycopg.Connection[Any], statement: str, of: UUID) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        connection.execute(statement, [of])
    assert (refusal.value.sqlstate, refusal.value.diag.message_hint) == ("PT429", "busy")


TO_PENDING = "update public.chat_replies set status = 'pending' where message_id = %s"
TO_FAILED = "update public.chat_replies set status = 'failed' where message_id = %s"
DELETE = "delete from public.chat_messages where id = %s"


def test_set_to_pending_by_hand_while_another_reply_of_the_chat_is_completed(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    failed, answered = people.ask(chat), people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.fail(claimed)
    (claimed,) = worker.claim()
    with uncommitted(worker):
        assert worker.complete(claimed) is True
        refused_as_busy(database, TO_PENDING, failed)
    database.execute(TO_PENDING, [failed])
    assert status_of(database, answered) == "completed"
    assert ids(worker.claim()) == {str(failed)}


def test_set_to_pending_by_hand_before_another_reply_of_the_chat_is_completed(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    failed = people.ask(chat)
    people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.fail(claimed)
    (claimed,) = worker.claim()
    with open_work(database_url) as operator:
        operator.execute(TO_PENDING, [failed])
        with in_background(worker.connection, lambda: worker.complete(claimed), database) as completed:
            operator.commit()
            assert completed.result(10) is True
    assert ids(worker.claim()) == {str(failed)}


def test_a_message_in_flight_that_is_deleted_by_hand_lets_the_next_one_follow(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    first, following = people.ask(chat), people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.beat(claimed | {"model": "gemini-test"})
    database.execute(DELETE, [first])
    assert worker.complete(claimed) is False
    assert ledger(database, first) == [(1, "lost")]
    assert ids(worker.claim()) == {str(following)}


def test_the_deletion_by_hand_of_a_message_waits_for_its_settle(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    first, following = people.ask(chat), people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    with psycopg.connect(database_url, autocommit=True) as operator, uncommitted(worker):
        worker.complete(claimed)
        with in_background(operator, lambda: operator.execute(DELETE, [first]), database) as deleted:
            worker.connection.commit()
            deleted.result(10)
    assert ids(worker.claim()) == {str(following)}


def test_a_settle_waits_for_the_deletion_by_hand_of_its_message(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    first, following = people.ask(chat), people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    with open_work(database_url) as operator:
        operator.execute(DELETE, [first])
        with in_background(worker.connection, lambda: worker.complete(claimed), database) as completed:
            operator.commit()
            assert completed.result(10) is False
    assert ids(worker.claim()) == {str(following)}


def test_set_to_failed_by_hand_while_the_owner_asks(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    first = people.ask(chat)
    with as_user(database_url, chat.user) as asking:
        asking.execute(ASK, [chat.session])
        refused_as_busy(database, TO_FAILED, first)
        asking.commit()
    database.execute(TO_FAILED, [first])
    assert [reply["question"] for reply in make_holder().claim()] == ["The next one"]


def test_asked_while_the_reply_before_is_set_to_failed_by_hand(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    first = people.ask(chat)
    with as_user(database_url, chat.user) as asking, open_work(database_url) as operator:
        operator.execute(TO_FAILED, [first])
        refused_as_busy(asking, ASK, chat.session)
        asking.rollback()
        operator.commit()
        asking.execute(ASK, [chat.session])
        asking.commit()
    assert [reply["question"] for reply in make_holder().claim()] == ["The next one"]


def test_what_is_asked_and_changed_by_hand_at_random_leaves_no_reply_without_a_place(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    """Three chats, for two seconds: owners ask, a worker settles, an operator sets and deletes what there is."""
    chats = [people.make_chat() for _ in range(3)]
    until = time.monotonic() + 2
    passing = ("PT429", "PT409", "40P01", "55P03")

    def repeat(statement: str) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            while time.monotonic() < until:
                try:
                    connection.execute(statement)
                except psycopg.Error as error:
                    assert error.sqlstate in passing, error

    def answer() -> None:
        worker, turn = make_holder(), 0
        while time.monotonic() < until:
            for reply in worker.claim():
                turn += 1
                try:
                    (worker.complete, worker.fail, worker.give_back)[turn % 3](reply)
                except psycopg.Error as error:
                    assert error.sqlstate in passing, error
            worker.beat(known=worker.claims)

    one = "where message_id = (select r.message_id from public.chat_replies r {} order by random() limit 1)"
    statements = [
        *(
            f"insert into public.chat_messages (session_id, content) values ('{chat.session}', 'Why?')"
            for chat in chats
        ),
        "update public.chat_replies set status = 'pending' " + one.format("where r.status = 'failed'"),
        "update public.chat_replies set status = 'failed' " + one.format("where r.status <> 'failed'"),
        "delete from public.chat_messages m where m.id = (select r.message_id from public.chat_replies r"
        " order by random() limit 1)",
    ]
    with ThreadPoolExecutor(len(statements) + 1) as threads:
        running = [threads.submit(repeat, statement) for statement in statements]
        running.append(threads.submit(answer))
        for each in running:
            each.result()
    assert contradictions(database) == []


def test_a_reply_set_to_pending_by_hand_while_it_is_answered_begins_afresh(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    question, worker = people.ask(chat), make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    database.execute(TO_PENDING, [question])
    assert (drafts(database, question), ledger(database, question)) == (0, [])
    assert worker.complete(claimed) is False
    (claimed,) = worker.claim()
    assert worker.complete(claimed) is True
