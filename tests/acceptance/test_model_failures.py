"""What a failing model looks like from outside: the reply's state, and one ledger row for each call."""

from typing import Any
from uuid import uuid4

import pytest
import supabase

from tests.support.asked import Calls, Database, calls_with, outcomes, reply
from tests.support.faulty_model import FaultyModel
from tests.support.listener import Listener
from tests.support.people import Chat, People
from tests.support.waiting import wait_for
from worker.local.stack import Stack


@pytest.mark.parametrize(
    ("fault", "error_code"),
    [
        ({"fault": "blocked_prompt"}, "content_blocked"),
        ({"fault": "finish", "reason": "RECITATION", "after": 3}, "content_blocked"),
    ],
)
def test_a_final_failure_is_told_and_a_retry_answers(
    worker: Stack,
    people: People,
    database: Database,
    faulty_model: FaultyModel,
    calls: Calls,
    fault: dict[str, Any],
    error_code: str,
) -> None:
    chat, marker = people.make_chat(), uuid4().hex
    faulty_model.add(**fault, question=marker)
    question = people.ask(chat, f"How many likes did it get? {marker}")
    wait_for(lambda: reply(database, question)["status"] == "failed", "the failure")

    assert reply(database, question)["error_code"] == error_code
    assert outcomes(database, question) == [error_code]

    owner = people.signed_in(chat.user)
    owner.post("/rpc/retry_reply", json={"message_id": str(question)}).raise_for_status()
    wait_for(lambda: reply(database, question)["status"] == "completed", "the answer")
    assert outcomes(database, question) == [error_code, "ok"]
    assert len(calls_with(marker, calls)) == 2


@pytest.mark.parametrize(
    ("fault", "error_code"),
    [
        ({"fault": "refuse", "status": 429, "retry_info": 0.2}, "rate_limited"),
        ({"fault": "reset", "after": 2}, "truncated"),
        ({"fault": "error_event", "after": 2, "status": 503}, "model_overloaded"),
        ({"fault": "finish", "reason": "MAX_TOKENS", "after": 0}, "empty_reply"),
    ],
)
def test_a_passing_failure_costs_an_attempt_and_no_answer(
    worker: Stack,
    people: People,
    database: Database,
    faulty_model: FaultyModel,
    calls: Calls,
    fault: dict[str, Any],
    error_code: str,
) -> None:
    chat, marker = people.make_chat(), uuid4().hex
    number = faulty_model.add(**fault, question=marker)
    question = people.ask(chat, f"How many likes did it get? {marker}")
    wait_for(lambda: reply(database, question)["status"] == "completed", "the answer")

    assert outcomes(database, question) == [error_code, "ok"]
    wait_for(lambda: len(calls_with(marker, calls)) == 2, "both calls in the model's log")
    assert [call["fault"] for call in calls_with(marker, calls)] == [fault["fault"], None]
    assert faulty_model.used(number) == 1
    answers = database.execute("select content from public.chat_messages where reply_to = %s", [question]).fetchall()
    assert len(answers) == 1
    assert "48,210" in answers[0]["content"]


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "figures", "usage": {"promptTokenCount": 10, "cachedContentTokenCount": 5000}},
        {"fault": "figures", "usage": {"promptTokenCount": 2**31, "candidatesTokenCount": -1}},
        {"fault": "figures", "model_version": "x\x00"},
        {"fault": "after_the_end", "manner": "reset"},
        {"fault": "framing", "manner": "comments"},
        {"fault": "repeat", "manner": "last"},
        {"fault": "finish", "reason": "BRAND_NEW"},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values() if isinstance(value, str)).replace("\x00", ""),
)
def test_a_whole_answer_is_kept_whatever_comes_with_it(
    worker: Stack,
    people: People,
    database: Database,
    faulty_model: FaultyModel,
    calls: Calls,
    fault: dict[str, Any],
) -> None:
    chat, marker = people.make_chat(), uuid4().hex
    faulty_model.add(**fault, question=marker, times=None)
    question = people.ask(chat, f"How many likes did it get? {marker}")
    wait_for(lambda: reply(database, question)["status"] == "completed", "the answer")

    assert outcomes(database, question) == ["ok"]
    wait_for(lambda: len(calls_with(marker, calls)) == 1, "the call in the model's log")


async def test_an_answer_that_repeats_itself_is_ended_long_before_the_limit(
    worker: Stack,
    client: supabase.AsyncClient,
    chat: Chat,
    listener: Listener,
    people: People,
    database: Database,
    faulty_model: FaultyModel,
    calls: Calls,
) -> None:
    marker = uuid4().hex
    faulty_model.add("say", question=marker, text="Then it asks a question and waits. " * 2_000, pace_ms=2)
    question = people.ask(chat, f"What makes the hook work? {marker}")
    answer = await listener.stored_answer(question, database, seconds=60)

    assert answer["finish_reason"] == "repeating"
    assert len(answer["content"]) < 4_000
    assert listener.streamed(question) == answer["content"]
    assert reply(database, question)["status"] == "completed"
    assert outcomes(database, question) == ["ok"]
    # The connection was closed: what the model would have said again was never made.
    wait_for(lambda: len(calls_with(marker, calls)) == 1, "the call in the model's log")
    [call] = calls_with(marker, calls)
    assert call["outcome"] == "aborted"
    assert call["pieces"] < 1_500
    assert answer["tokens_used"] < 3_000
