"""An operator's open transaction on one row of one reply: the replies of others go on."""

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.database import Connection, one_row
from tests.support.holder import MakeHolder
from tests.support.people import People
from tests.support.side_by_side import (
    fall_silent,
    hurry,
    ids,
    ledger,
    open_work,
    place_of,
    queued,
    status_of,
)

pytestmark = pytest.mark.usefixtures("quiet")


HELD = {
    "queue row": "select from private.reply_queue where message_id = %s for update",
    "reply row": "select from public.chat_replies where message_id = %s for update",
    "ledger rows": "select from public.external_api_call_logs where message_id = %s for update",
    "message row": "select from public.chat_messages where id = %s for update",
    "session row": """select from public.chat_sessions s
        where s.id = (select m.session_id from public.chat_messages m where m.id = %s) for update""",
    "deletion of the message": "delete from public.chat_messages where id = %s",
    "change of the reply by hand": "update public.chat_replies set status = 'failed' where message_id = %s",
}


@pytest.fixture(params=HELD, ids=[name.replace(" ", "-") for name in HELD])
def held_row(request: pytest.FixtureRequest) -> str:
    return HELD[request.param]


def test_a_row_that_is_held_keeps_no_claim_from_the_others(
    people: People, database_url: str, make_holder: MakeHolder, held_row: str
) -> None:
    """Two claims: one of several places, and one of a single place for which the held row is the first."""
    worker = make_holder()
    people.ask(people.make_chat())
    worker.complete(worker.claim()[0])  # plans the claim on this connection, before it is timed
    first = people.ask(people.make_chat())
    others = [people.ask(people.make_chat()) for _ in range(3)]
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute(held_row, [first])
        claimed = worker.claim(most=1)
        assert len(claimed) == 1
        assert ids(claimed + worker.claim()) >= {str(other) for other in others}


def test_a_row_that_is_held_costs_no_other_reply_its_beat(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, held_row: str
) -> None:
    worker = make_holder()
    first, other = people.ask(people.make_chat()), people.ask(people.make_chat())
    claimed = {reply["message_id"]: reply | {"model": "gemini-test"} for reply in worker.claim()}
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute(held_row, [first])
        beat = worker.beat(*claimed.values(), known=1)
        assert beat["alive"]
        assert {"message_id": str(other), "attempt": 1, "held": True, "cancel_requested": False} in beat["replies"]
        assert ledger(database, other) == [(1, "started")]


def test_a_row_that_is_held_is_given_back_with_a_later_beat_and_the_others_at_once(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, held_row: str
) -> None:
    worker = make_holder()
    first, other = people.ask(people.make_chat()), people.ask(people.make_chat())
    assert len(worker.claim()) == 2
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute(held_row, [first])
        assert worker.beat(known=1)["alive"]
        assert status_of(database, other) == "pending"
    assert worker.beat(known=1)["alive"]
    assert status_of(database, first) == "pending"


@pytest.mark.parametrize("stopped", [False, True], ids=["kept", "stopped"])
def test_a_row_that_is_held_keeps_no_other_reply_from_being_given_back_or_released(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, held_row: str, stopped: bool
) -> None:
    """Stopped ones are settled when they are freed, which takes the session and the message as well."""
    worker = make_holder()
    questions = [people.ask(people.make_chat()) for _ in range(3)]
    claimed = {reply["message_id"]: reply for reply in worker.claim()}
    for reply in claimed.values():
        worker.save_draft(reply, "So far")
    if stopped:
        database.execute("update private.reply_queue set cancel_requested_at = now()")
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute(held_row, [questions[0]])
        worker.give_back(claimed[str(questions[0])], claimed[str(questions[1])])
        assert status_of(database, questions[1]) == ("cancelled" if stopped else "pending")
        worker.release()
        assert status_of(database, questions[2]) == ("cancelled" if stopped else "pending")
    worker.release()
    assert status_of(database, questions[0]) == ("cancelled" if stopped else "pending")
    assert database.execute("select from private.workers where id = %s", [worker.id]).fetchone() is None


def test_a_row_that_is_held_keeps_no_draft_of_another_from_being_saved(
    people: People, database_url: str, make_holder: MakeHolder, held_row: str
) -> None:
    worker = make_holder()
    first, other = people.ask(people.make_chat()), people.ask(people.make_chat())
    claimed = {reply["message_id"]: reply for reply in worker.claim()}
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute(held_row, [first])
        pieces = [
            {"message_id": name, "attempt": 1, "version": 1, "starts_at": 0, "content": "So far"} for name in claimed
        ]
        saved = one_row(worker.connection.execute("select public.save_drafts(%s, %s)", [worker.id, Jsonb(pieces)]))
        assert {"message_id": str(other), "attempt": 1, "stored": 6} in saved[0]


def test_a_row_that_is_held_keeps_no_other_reply_of_a_dead_worker(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, held_row: str
) -> None:
    dead, worker = make_holder(), make_holder()
    first, other = people.ask(people.make_chat()), people.ask(people.make_chat())
    assert len(dead.claim()) == 2
    fall_silent(database, dead)
    worker.register()
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute(held_row, [first])
        assert str(other) in ids(worker.claim())
    worker.claim()
    assert place_of(database, first)["worker_id"] == worker.id


def test_a_row_that_is_held_keeps_no_other_reply_from_being_settled(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, held_row: str
) -> None:
    worker = make_holder()
    first, other, third = (people.ask(people.make_chat()) for _ in range(3))
    claimed = {reply["message_id"]: reply for reply in worker.claim()}
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute(held_row, [first])
        assert worker.complete(claimed[str(other)]) is True
        assert worker.next_attempt(claimed[str(third)]) == 2
    assert status_of(database, other) == "completed"


@pytest.mark.parametrize("state", ["too old", "too old and stopped", "lost"])
def test_a_row_that_is_held_keeps_the_reconciler_from_nobody_else(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, held_row: str, state: str
) -> None:
    worker, first, other = make_holder(), people.ask(people.make_chat()), people.ask(people.make_chat())
    worker.claim()
    if state == "lost":
        database.execute("update private.reply_queue set worker_id = gen_random_uuid()")
    else:
        worker.release()
        database.execute(
            "update private.reply_queue set waiting_since = now() - interval '1 hour', cancel_requested_at = %s",
            ["2026-01-01" if "stopped" in state else None],
        )
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute(held_row, [first])
        assert worker.reconcile() is not None
        expected = {"too old": "failed", "too old and stopped": "cancelled", "lost": "pending"}[state]
        assert status_of(database, other) == expected
        assert queued(database, other) is None or state == "lost"


def test_the_held_row_of_a_chats_next_question_keeps_nobody_elses_reply(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    """Settling what was stopped puts the chat's next question in the queue, and looks at its reply for that."""
    worker, chat = make_holder(), people.make_chat()
    first, following, other = people.ask(chat), people.ask(chat), people.ask(people.make_chat())
    assert len(worker.claim()) == 2
    database.execute("update private.reply_queue set cancel_requested_at = now()")
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute(HELD["reply row"], [following])
        assert worker.beat(known=1)["alive"]
        assert (status_of(database, first), status_of(database, other)) == ("answering", "cancelled")
    assert worker.beat(known=1)["alive"]
    assert status_of(database, first) == "cancelled"
    assert queued(database, following) is not None


def test_the_mending_of_a_chat_waits_for_nobody_who_holds_its_reply(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    worker, first, other = make_holder(), people.ask(people.make_chat()), people.ask(people.make_chat())
    database.execute("delete from private.reply_queue")
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute(HELD["reply row"], [first])
        assert worker.reconcile() is not None
        assert (queued(database, first), queued(database, other) is not None) == (None, True)
    assert worker.reconcile() is not None
    assert queued(database, first) is not None


def test_a_row_that_is_held_is_settled_when_its_worker_asks_again(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    worker, question = make_holder(), people.ask(people.make_chat())
    (claimed,) = worker.claim()
    with open_work(database_url) as operator:
        operator.execute(HELD["queue row"], [question])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            worker.complete(claimed)
    assert worker.complete(claimed) is True
