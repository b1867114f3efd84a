"""Whatever is wrong with one row, or whoever holds it, the replies of others go on."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.database import Connection, one_row
from tests.support.holder import CALL, Holder
from tests.support.people import Chat, People
from tests.support.side_by_side import (
    fall_silent,
    hurry,
    ids,
    ledger,
    open_work,
    place_of,
    poison,
    queued,
    reply_of,
    status_of,
)
from worker.local.stack import Stack

pytestmark = pytest.mark.usefixtures("quiet")

MakeHolder = Callable[[], Holder]

OF_THE_ROW = ["P0001", "22012", "23514", "54000", "XX000"]
PASSING = ["40P01", "55P03", "53100"]


def ask_rest(people: People, chat: Chat, question: UUID) -> int:
    sent = people.signed_in(chat.user).post(
        "/chat_messages", json={"id": str(question), "session_id": str(chat.session), "content": "Why?"}
    )
    return sent.status_code


def is_held(holder: Holder, reply: dict[str, Any]) -> bool:
    (answer,) = holder.beat(reply, known=holder.claims)["replies"]
    return bool(answer["held"])


# The key of the ledger: three ordinary requests once stopped everybody's answers.


def test_a_question_under_the_id_of_a_deleted_one_is_refused_and_others_are_answered(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    worker, question, chat = make_holder(), uuid4(), people.make_chat()
    assert ask_rest(people, chat, question) == 201
    (claimed,) = worker.claim()
    worker.complete(claimed)
    assert people.signed_in(chat.user).delete(f"/chat_sessions?id=eq.{chat.session}").status_code in (200, 204)

    again = people.make_chat(chat.user)
    other = people.ask(people.make_chat())
    assert ask_rest(people, again, question) == 409
    assert ids(worker.claim()) == {str(other)}


def test_a_ledger_that_already_has_the_next_attempt_stops_one_reply_and_no_other(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    chat = people.make_chat()
    first = people.ask(chat)
    others = [people.ask(people.make_chat()) for _ in range(3)]
    database.execute(
        """insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id, outcome)
        values (%s, 1, %s, %s, gen_random_uuid(), 'ok')""",
        [first, chat.session, chat.user.id],
    )
    answer = make_holder().claim_all()
    assert ids(answer["replies"]) == {str(other) for other in others}
    assert answer["refused"] == {"settled": 1}
    assert (reply_of(database, first)["status"], reply_of(database, first)["error_code"]) == ("failed", "internal")
    assert ledger(database, first) == [(1, "ok")]


def test_attempts_go_on_where_the_ledger_ended(people: People, database: Connection, make_holder: MakeHolder) -> None:
    """By hand, an id may come back: the list of used ids is emptied, or the trigger is off."""
    chat, question = people.make_chat(), uuid4()
    database.execute(
        """insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id, outcome)
        values (%s, 3, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ok')""",
        [question],
    )
    database.execute(
        "insert into public.chat_messages (id, session_id, content) values (%s, %s, 'Why?')", [question, chat.session]
    )
    (claimed,) = make_holder().claim()
    assert claimed["attempt"] == 4


# A row for which the database raises.


@pytest.mark.parametrize("error", OF_THE_ROW)
def test_a_row_that_raises_is_settled_and_the_others_are_claimed(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, error: str
) -> None:
    chat = people.make_chat()
    poisoned = people.ask(chat)
    others = [people.ask(people.make_chat()) for _ in range(3)]
    with poison(stack, "public.external_api_call_logs", "before insert", chat.session, error):
        answer = make_holder().claim_all()
        assert ids(answer["replies"]) == {str(other) for other in others}
        assert answer["refused"] == {"settled": 1}
    assert (reply_of(database, poisoned)["status"], reply_of(database, poisoned)["error_code"]) == (
        "failed",
        "internal",
    )
    assert queued(database, poisoned) is None


def test_the_next_question_of_a_chat_is_answered_after_one_that_raised(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder
) -> None:
    worker, chat = make_holder(), people.make_chat()
    people.ask(chat)
    following = people.ask(chat)
    with poison(stack, "public.external_api_call_logs", "before insert", chat.session, "22012"):
        assert worker.claim_all()["next_due_in_ms"] == 0
    assert ids(worker.claim()) == {str(following)}


@pytest.mark.parametrize("error", OF_THE_ROW)
def test_a_row_that_cannot_even_be_settled_is_set_aside_for_five_minutes(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, error: str
) -> None:
    chat = people.make_chat()
    poisoned = people.ask(chat)
    other = people.ask(people.make_chat())
    before = one_row(database.execute("select set_aside from private.reconciler"))["set_aside"]
    with poison(stack, "public.chat_replies", "before update", chat.session, error):
        answer = make_holder().claim_all()
        assert ids(answer["replies"]) == {str(other)}
        assert answer["refused"] == {"set_aside": 1}
        assert status_of(database, poisoned) == "pending"
        put_off = one_row(
            database.execute(
                "select due_at - now() as away from private.reply_queue where message_id = %s", [poisoned]
            )
        )
        assert 290 < put_off["away"].total_seconds() <= 300
    assert one_row(database.execute("select set_aside from private.reconciler"))["set_aside"] == before + 1


@pytest.mark.parametrize("error", PASSING)
def test_a_trouble_that_passes_leaves_its_row_as_it_was(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, error: str
) -> None:
    chat, worker = people.make_chat(), make_holder()
    poisoned = people.ask(chat)
    other = people.ask(people.make_chat())
    before = queued(database, poisoned)
    with poison(stack, "public.chat_replies", "before update", chat.session, error):
        answer = worker.claim_all()
        assert ids(answer["replies"]) == {str(other)}
        assert answer["refused"] == {"left": 1}
        assert answer["next_due_in_ms"] <= 1000
    assert queued(database, poisoned) == before
    assert ids(worker.claim()) == {str(poisoned)}


@pytest.mark.parametrize("error", ["P0001", "55P03"])
def test_a_worker_with_one_place_passes_by_a_row_that_raises(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, error: str
) -> None:
    """The row that raises is the first one; whoever looks at no other claims nothing, for as long as it raises."""
    chat = people.make_chat()
    people.ask(chat)
    other = people.ask(people.make_chat())
    with poison(stack, "public.chat_replies", "before update", chat.session, error):
        assert ids(make_holder().claim(most=1)) == {str(other)}


@pytest.mark.parametrize("error", ["P0001", "XX000"])
def test_a_claim_that_cannot_be_freed_is_set_aside_and_the_others_go_back(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, error: str
) -> None:
    chat = people.make_chat()
    poisoned, other = people.ask(chat), people.ask(people.make_chat())
    worker = make_holder()
    assert len(worker.claim()) == 2
    with poison(stack, "public.chat_replies", "before update", chat.session, error):
        assert worker.beat(known=worker.claims)["alive"]
    assert status_of(database, other) == "pending"
    held = queued(database, poisoned)
    assert held is not None
    assert held["worker_id"] is None


def test_a_row_that_raises_does_not_keep_a_burial_or_a_release_from_the_others(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder
) -> None:
    chat, dead, gravedigger = people.make_chat(), make_holder(), make_holder()
    people.ask(chat)
    other = people.ask(people.make_chat())
    assert len(dead.claim()) == 2
    fall_silent(database, dead)
    with poison(stack, "public.chat_replies", "before update", chat.session, "P0001"):
        assert ids(gravedigger.claim()) == {str(other)}
        assert gravedigger.release() == 1
    assert status_of(database, other) == "pending"


def test_a_row_that_raises_does_not_keep_the_reconciler_from_the_others(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder
) -> None:
    chat, worker = people.make_chat(), make_holder()
    poisoned, other = people.ask(chat), people.ask(people.make_chat())
    with poison(stack, "public.chat_replies", "before update", chat.session, "P0001"):
        database.execute("update private.reply_queue set waiting_since = now() - interval '1 hour'")
        ended = worker.reconcile()
        assert ended is not None
        assert ended["ended"] == 1
    assert reply_of(database, other)["error_code"] == "waited_too_long"
    assert status_of(database, poisoned) == "pending"


def test_a_reply_that_raises_does_not_stop_the_mending_of_others(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder
) -> None:
    worker, chats = make_holder(), [people.make_chat() for _ in range(2)]
    lost = [people.ask(chat) for chat in chats]
    database.execute("delete from private.reply_queue")
    with poison(stack, "private.reply_queue", "before insert", chats[0].session, "P0001"):
        mended = worker.reconcile()
        assert mended is not None
        assert mended["mended"] == 1
    assert queued(database, lost[1]) is not None


def test_setting_aside_waits_for_nobody_who_holds_the_count(
    people: People, database: Connection, stack: Stack, database_url: str, make_holder: MakeHolder
) -> None:
    chat, worker = people.make_chat(), make_holder()
    people.ask(chat)
    other = people.ask(people.make_chat())
    worker.register()
    hurry(worker)
    with (
        poison(stack, "public.chat_replies", "before update", chat.session, "P0001"),
        open_work(database_url) as operator,
    ):
        operator.execute("update private.reconciler set mended = 0")
        assert ids(worker.claim()) == {str(other)}


# An operator's open transaction on one row of one reply.

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
    first = people.ask(people.make_chat())
    others = [people.ask(people.make_chat()) for _ in range(3)]
    worker.register()
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


# Posts that are too much for whoever reads them.


def levels(count: int) -> str:
    return '{"a":' * count + "1" + "}" * count


DEEP_OR_LARGE = {
    "17 levels": levels(17),
    "2,000 levels": levels(2000),
    "5,000 levels": levels(5000),
    "5 MB": '{"a": "' + "x" * 5_000_000 + '"}',
}


@pytest.mark.parametrize("value", DEEP_OR_LARGE.values(), ids=[name.replace(" ", "-") for name in DEEP_OR_LARGE])
def test_a_post_that_is_too_deep_or_too_large_is_answered_without_that_part(
    people: People, database: Connection, make_holder: MakeHolder, value: str
) -> None:
    chat = people.make_chat()
    database.execute(
        "update public.posts set metrics = %s::jsonb, media = %s::jsonb where id = %s",
        [value, f"[{value}]", chat.post],
    )
    questions = {str(people.ask(chat)), str(people.ask(people.make_chat()))}
    replies = {reply["message_id"]: reply for reply in make_holder().claim()}
    assert replies.keys() == questions
    (post,) = next(reply["posts"] for reply in replies.values() if reply["session_id"] == str(chat.session))
    assert (post["metrics"], post["media"]) == ({}, [])
    assert (post["wholes"]["metrics"], post["wholes"]["media"]) == (1, 1)


def test_an_analysis_of_many_megabytes_makes_no_large_claim(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    chat = people.make_chat()
    database.execute(
        """update public.post_analyses set key_insights = to_jsonb(array[repeat('x', 3000000)]),
          frameworks = to_jsonb(array[repeat('x', 3000000)]), viral_status = repeat('x', 3000000)
        where id = %s""",
        [chat.analysis],
    )
    people.ask(chat)
    worker = make_holder()
    worker.register()
    row = one_row(
        worker.connection.execute("select octet_length(public.claim_replies(%s, 1, 10)::text)", [worker.id])
    )
    assert row[0] < 500_000


def test_figures_that_fit_are_handed_on_unchanged(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    chat = people.make_chat()
    database.execute("update public.posts set metrics = %s::jsonb where id = %s", [levels(14), chat.post])
    people.ask(chat)
    (claimed,) = make_holder().claim()
    assert str(claimed["posts"][0]["metrics"]).count("a") == 14


def test_a_call_without_a_model_leaves_no_row_behind(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    (claimed,) = worker.claim()
    assert worker.give_back(claimed) == 1
    assert ledger(database, question) == []
    (claimed,) = worker.claim()
    assert worker.fail(claimed, "model_overloaded", retry_in=0, call={**CALL, "model_requested": None})
    assert ledger(database, question) == []
