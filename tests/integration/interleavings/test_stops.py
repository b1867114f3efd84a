"""A stop, in each of the seven states of a reply under way."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.support.commands import cancel
from tests.support.database import Connection
from tests.support.holder import Holder, MakeHolder
from tests.support.people import Chat, People
from tests.support.side_by_side import (
    answers,
    as_user,
    drafts,
    fall_silent,
    hurry,
    ledger,
    open_work,
    queued,
    status_of,
)

pytestmark = pytest.mark.usefixtures("quiet")


def stopped(database: Connection, question: UUID, with_text: str | None = None) -> bool:
    kept = [answer["content"] for answer in answers(database, question)]
    return (
        status_of(database, question) == "cancelled"
        and queued(database, question) is None
        and drafts(database, question) == 0
        and kept == ([with_text] if with_text else [])
        and all(outcome not in ("claimed", "started") for _, outcome in ledger(database, question))
    )


def test_a_pending_reply_is_stopped_at_once(
    database: Connection, database_url: str, chat: Chat, question: UUID
) -> None:
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert stopped(database, question)


def test_a_reply_put_off_after_a_failed_call_is_stopped_at_once(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    worker.fail(claimed, "model_overloaded", retry_in=60)
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert stopped(database, question)


def test_a_reply_that_was_given_back_is_stopped_at_once(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.give_back(claimed, due_in=60)
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert stopped(database, question)


def test_a_reply_whose_worker_lives_is_stopped_by_it_within_a_beat(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    assert cancel(database_url, chat.user, question) == "answering"
    assert worker.beat(claimed, known=1)["replies"][0] == {
        "message_id": str(question),
        "attempt": 1,
        "held": True,
        "cancel_requested": True,
    }
    assert worker.complete(claimed, "So far", "cancelled") is True
    assert stopped(database, question, "So far")


def test_a_reply_whose_worker_is_dead_and_not_buried_is_stopped_at_once_with_its_draft(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    fall_silent(database, worker)
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert stopped(database, question, "So far")
    assert worker.complete(claimed, "All of it") is False
    assert stopped(database, question, "So far")


def bury(holder: Holder, claimed: dict[str, Any], database: Connection, other: Holder) -> None:
    fall_silent(database, holder)
    other.claim(most=0)


FREEING: dict[str, Callable[[Holder, dict[str, Any], Any, Holder], object]] = {
    "given back": lambda holder, claimed, database, other: holder.give_back(claimed),
    "given back for later": lambda holder, claimed, database, other: holder.give_back(claimed, due_in=60),
    "released": lambda holder, claimed, database, other: holder.release(),
    "buried": bury,
    "not held by its worker": lambda holder, claimed, database, other: holder.beat(known=1),
    "failed for now": lambda holder, claimed, database, other: holder.fail(claimed, retry_in=60),
}


@pytest.mark.parametrize("free", FREEING.values(), ids=[name.replace(" ", "-") for name in FREEING])
def test_a_reply_that_was_asked_to_stop_is_stopped_by_whatever_frees_it(
    people: People,
    database: Connection,
    database_url: str,
    make_holder: MakeHolder,
    chat: Chat,
    question: UUID,
    free: Callable[[Holder, dict[str, Any], Any, Holder], object],
) -> None:
    """Nobody has to claim it for that: while no model may be asked, nobody claims."""
    following = people.ask(chat)
    worker, other = make_holder(), make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    assert cancel(database_url, chat.user, question) == "answering"
    free(worker, claimed, database, other)
    assert stopped(database, question, "So far")
    assert queued(database, following) is not None


@pytest.mark.parametrize("free", FREEING.values(), ids=[name.replace(" ", "-") for name in FREEING])
def test_a_reply_that_was_freed_before_its_author_stops_it_is_stopped_at_once(
    database: Connection,
    database_url: str,
    make_holder: MakeHolder,
    chat: Chat,
    question: UUID,
    free: Callable[[Holder, dict[str, Any], Any, Holder], object],
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    free(worker, claimed, database, make_holder())
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert stopped(database, question)


def test_what_was_asked_to_stop_while_its_chat_was_locked_is_stopped_when_it_is_not(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    worker.claim()
    assert cancel(database_url, chat.user, question) == "answering"
    hurry(worker)
    with open_work(database_url) as insert:
        insert.execute("select from public.chat_sessions where id = %s for no key update", [chat.session])
        assert worker.beat(known=1)["alive"]
        assert status_of(database, question) == "answering"
    assert worker.beat(known=1)["alive"]
    assert stopped(database, question)


def test_a_stop_and_a_claim_at_the_same_time_leave_one_of_both(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    worker.register()
    hurry(worker)
    with as_user(database_url, chat.user) as stopping:
        stopping.execute("select public.cancel_reply(%s)", [question])
        assert worker.claim() == []
        stopping.commit()
    assert worker.claim() == []
    assert stopped(database, question)
