"""Inserts that are held open."""

import time
from uuid import UUID

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import MakeHolder
from tests.support.people import Chat, People
from tests.support.side_by_side import (
    answers,
    as_user,
    beat_late,
    ids,
    in_background,
    ledger,
    open_work,
    uncommitted,
)

pytestmark = pytest.mark.usefixtures("quiet")


def test_a_question_that_commits_late_is_claimed_then_and_wakes_the_workers_then(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    """Whoever was woken by another question in between has looked in vain: its own wake-up comes with its commit."""
    worker, chat = make_holder(), people.make_chat()
    wakes = "select count(*) from realtime.messages where topic = 'chat:worker' and event = 'wake_up'"
    worker.register()
    with open_work(database_url) as asking:
        asking.execute("insert into public.chat_messages (session_id, content) values (%s, 'Late')", [chat.session])
        other = people.ask(people.make_chat())
        heard = one_row(database.execute(wakes))["count"]
        assert ids(worker.claim()) == {str(other)}
        assert worker.claim() == []
        asking.commit()
    assert one_row(database.execute(wakes))["count"] == heard + 1
    assert len(worker.claim()) == 1


def test_a_settle_waits_a_second_for_a_held_insert_and_succeeds_when_it_is_repeated(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    with as_user(database_url, chat.user) as asking:
        asking.execute("insert into public.chat_messages (session_id, content) values (%s, 'Held')", [chat.session])
        for settle in (worker.complete, worker.fail, worker.next_attempt):
            began = time.monotonic()
            with pytest.raises(psycopg.errors.LockNotAvailable):
                settle(claimed)
            assert 0.9 < time.monotonic() - began < 4
        assert beat_late(worker, claimed)["replies"][0]["held"]
        asking.commit()
    assert worker.complete(claimed) is True
    assert worker.complete(claimed) is True, "asked again after a lost answer, it says the same"
    assert len(answers(database, question)) == 1
    assert ledger(database, question) == [(1, "ok")]
    assert len(worker.claim()) == 1, "the held question is the chat's next"


def test_a_held_insert_and_the_answer_before_it_overlook_nothing_in_either_order(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    with psycopg.connect(database_url, autocommit=True) as asking, uncommitted(worker):
        assert worker.complete(claimed) is True
        with in_background(
            asking,
            lambda: asking.execute(
                "insert into public.chat_messages (session_id, content) values (%s, 'Meanwhile')", [chat.session]
            ),
            database,
        ) as asked:
            worker.connection.commit()
            asked.result(10)
    assert [reply["question"] for reply in worker.claim()] == ["Meanwhile"]
