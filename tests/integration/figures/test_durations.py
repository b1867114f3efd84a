"""When a wait and an attempt began."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.holder import Holder
from tests.support.people import Chat, People
from tests.support.side_by_side import fall_silent, reply_of
from worker.local.stack import ROOT

pytestmark = pytest.mark.usefixtures("quiet", "no_figures")

MakeHolder = Callable[[], Holder]


def test_an_answer_that_is_regenerated_has_not_waited_since_its_question(
    database: Any, people: People, chat: Chat, make_holder: MakeHolder
) -> None:
    worker = make_holder()
    question = people.ask(chat)
    [reply] = worker.claim()
    assert worker.complete(reply)
    database.execute(
        """update public.chat_replies set created_at = created_at - interval '3 days',
        pending_since = pending_since - interval '3 days', finished_at = finished_at - interval '3 days'"""
    )
    with people.signed_in(chat.user) as user:
        user.post("/rpc/regenerate_reply", json={"message_id": str(question)}).raise_for_status()
    [reply] = worker.claim()
    assert reply["waiting_ms"] < 3_600_000
    assert worker.complete(reply)

    row = reply_of(database, question)
    assert (row["finished_at"] - row["created_at"]).days == 3
    assert (row["finished_at"] - row["pending_since"]).total_seconds() < 3600
    [slowest] = database.execute((ROOT / "supabase/snippets/slowest_replies.sql").read_text()).fetchall()
    assert slowest["message_id"] == question
    assert slowest["whole"].total_seconds() < 3600


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_waiting_begins_anew_with_a_retry_and_not_with_a_claim_that_ends(
    database: Any, people: People, chat: Chat, make_holder: MakeHolder, outcome: str
) -> None:
    worker = make_holder()
    question = people.ask(chat)
    asked = reply_of(database, question)["pending_since"]
    [reply] = worker.claim()
    worker.give_back(reply)
    [reply] = worker.claim()
    assert worker.fail(reply, "model_overloaded", retry_in=0)
    assert reply_of(database, question)["pending_since"] == asked
    worker.claim()
    assert reply_of(database, question)["pending_since"] == asked

    database.execute(f"update public.chat_replies set status = '{outcome}' where status = 'answering'")
    with people.signed_in(chat.user) as user:
        user.post("/rpc/retry_reply", json={"message_id": str(question)}).raise_for_status()
    assert reply_of(database, question)["pending_since"] > asked


def test_an_attempt_began_when_it_began(database: Any, people: People, chat: Chat, make_holder: MakeHolder) -> None:
    """Not when another attempt of the same claim, or another worker's claim, did."""
    worker, other = make_holder(), make_holder()
    question = people.ask(chat)
    [reply] = worker.claim()
    first = reply_of(database, question)["started_at"]
    reply["attempt"] = worker.next_attempt(reply)
    second = reply_of(database, question)["started_at"]
    fall_silent(database, worker)
    assert len(other.claim()) == 1
    third = reply_of(database, question)["started_at"]
    assert first < second < third
