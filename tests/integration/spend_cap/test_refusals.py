"""Over the cap and in a pause users get no new answer begun, and what was begun is answered."""

from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from tests.support.database import Connection
from tests.support.holder import Holder
from tests.support.people import People
from tests.support.spend_cap import ask, assert_refused, change, command, refuse_by, turns_of

REFUSED_WHEN = ["paused", "spend_cap_day", "spend_cap_month"]


@pytest.mark.parametrize("reason", REFUSED_WHEN)
def test_a_question_is_refused_and_leaves_no_trace(people: People, database: Connection, reason: str) -> None:
    chat = people.make_chat()
    refuse_by(database, reason)

    assert_refused(ask(people, chat), reason)

    assert turns_of(database, chat) == []
    session = database.execute("select last_turn from public.chat_sessions where id = %s", [chat.session]).fetchone()
    assert session == {"last_turn": 0}
    change(database, paused=False, spend_cap_usd_per_day=None, spend_cap_usd_per_month=None)
    assert ask(people, chat).status_code == 201, "a switch that is turned back holds at once"


@pytest.mark.parametrize("reason", REFUSED_WHEN)
def test_a_retry_and_a_regeneration_are_refused(
    people: People, database: Connection, make_holder: Callable[[], Holder], reason: str
) -> None:
    worker = make_holder()
    failed, answered = people.make_chat(), people.make_chat()
    questions = {chat.session: people.ask(chat) for chat in (failed, answered)}
    for reply in worker.claim():
        if reply["message_id"] == str(questions[failed.session]):
            worker.fail(reply, "empty_reply")
        else:
            worker.complete(reply)
    refuse_by(database, reason)

    assert_refused(command(people, "retry_reply", failed, questions[failed.session]), reason)
    assert_refused(command(people, "regenerate_reply", answered, questions[answered.session]), reason)

    rows = database.execute("select status, version from public.chat_replies order by status").fetchall()
    assert [(row["status"], row["version"]) for row in rows] == [("completed", 1), ("failed", 1)]
    change(database, paused=False, spend_cap_usd_per_day=None, spend_cap_usd_per_month=None)
    assert command(people, "retry_reply", failed, questions[failed.session]).status_code == 200
    assert command(people, "regenerate_reply", answered, questions[answered.session]).status_code == 200


def test_a_question_in_the_place_of_another_stops_nothing_when_it_is_refused(
    people: People, database: Connection
) -> None:
    chat = people.make_chat()
    question = people.ask(chat)
    change(database, paused=True)

    assert_refused(ask(people, chat, replaces=str(question)), "paused")

    row = database.execute("select status from public.chat_replies where message_id = %s", [question]).fetchone()
    assert row == {"status": "pending"}


def test_what_is_under_way_and_what_waits_is_answered(
    people: People, database: Connection, make_holder: Callable[[], Holder]
) -> None:
    worker, begun, waiting = make_holder(), people.make_chat(), people.make_chat()
    ask(people, begun)
    (reply,) = worker.claim()
    ask(people, waiting)
    change(database, paused=True)

    assert worker.complete(reply)
    (other,) = worker.claim()
    assert worker.next_attempt(other) is not None, "a further call of a reply that was begun"
    other["attempt"] += 1
    assert worker.fail(other, "model_overloaded", retry_in=0.0)
    (again,) = worker.claim()
    assert worker.complete(again)
    assert turns_of(database, begun) == turns_of(database, waiting) == [("assistant", 1), ("user", 1)]


def test_a_question_that_is_stored_already_is_sent_again_without_harm(people: People, database: Connection) -> None:
    chat, message = people.make_chat(), str(uuid4())

    def send() -> httpx.Response:
        return people.signed_in(chat.user).post(
            "/chat_messages",
            params={"on_conflict": "id"},
            headers={"prefer": "resolution=ignore-duplicates"},
            json={"id": message, "session_id": str(chat.session), "role": "user", "content": "Why?"},
        )

    assert send().status_code == 201
    change(database, paused=True)
    assert send().status_code in (200, 201)


def test_a_replys_stop_is_not_refused(people: People, database: Connection) -> None:
    chat = people.make_chat()
    question = people.ask(chat)
    change(database, paused=True)
    assert command(people, "cancel_reply", chat, question).json()["status"] == "cancelled"


def test_the_service_and_the_dashboard_are_not_refused(people: People, database: Connection) -> None:
    chat = people.make_chat()
    change(database, paused=True)
    question = people.ask(chat)
    database.execute("update public.chat_replies set status = 'failed' where message_id = %s", [question])
    database.execute("update public.chat_replies set status = 'pending' where message_id = %s", [question])
    by_the_service = {"session_id": str(chat.session), "role": "user", "content": "And then?"}
    assert people.service().post("/chat_messages", json=by_the_service).status_code == 201


def test_a_pause_has_no_known_end(people: People, database: Connection) -> None:
    change(database, paused=True, spend_cap_usd_per_day=0)
    refused = ask(people, people.make_chat())
    assert assert_refused(refused, "paused")["resets_at"] is None
    assert refused.headers["retry-after"] == "60"
