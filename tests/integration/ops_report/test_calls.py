"""What is told of calls and replies: figures that agree with the rows, and no content."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.database import Connection
from tests.support.holder import CALL, Holder
from tests.support.people import Chat, People

TOKENS = CALL["prompt_tokens"] + CALL["candidate_tokens"] + CALL["thought_tokens"]
QUESTION = "Who is the kingfisher?"
ANSWER = "A bird of rivers."


def test_a_call_is_counted_when_it_has_ended(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder, database: Connection
) -> None:
    """And a claim that is no call yet, never."""
    people.ask(chat)
    (claimed,) = worker.claim()
    found = report()
    assert (found["days"], [period["calls"] for period in found["periods"]]) == ([], [{}, {}])
    assert database.execute("select from analytics.calls").fetchall() == []

    worker.beat({**claimed, "model": "gemini-test"})
    found = report()
    assert (found["days"], [period["calls"] for period in found["periods"]]) == ([], [{}, {}])
    assert found["queue"]["in_flight"] == 1
    assert len(database.execute("select from analytics.calls").fetchall()) == 1

    assert worker.complete(claimed)
    found = report()
    assert [period["calls"] for period in found["periods"]] == [{"ok": 1}, {"ok": 1}]
    assert [(day["model"], day["calls"]) for day in found["days"]] == [("gemini-test-001", 1)]


def test_replies_calls_and_causes(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder
) -> None:
    people.ask(chat)
    [reply] = worker.claim()
    reply["attempt"] = worker.next_attempt(reply, "model_overloaded")
    assert worker.complete(reply)
    people.ask(chat)
    [reply] = worker.claim()
    assert worker.fail(reply, "content_blocked")

    day, week = report()["periods"]
    assert day["replies"] == {"asked": 2, "completed": 1, "failed": 1}
    assert day["failures"] == {"content_blocked": 1}
    assert day["calls"] == {"ok": 1, "model_overloaded": 1, "content_blocked": 1}
    assert day["retries"] == 1
    assert {**week, "hours": 24} == day
    [model] = day["models"]
    assert (model["model"], model["calls"], model["tokens"]) == ("gemini-test-001", 3, 3 * TOKENS)
    assert (model["cost_usd"], model["calls_without_price"]) == (pytest.approx(0.0003), 0)


def test_an_estimated_cost_is_in_the_sum_and_said_to_be_one(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder
) -> None:
    people.ask(chat)
    [reply] = worker.claim()
    assert worker.fail(reply, "timed_out", call={**CALL, "cost_is_estimated": True})
    found = report()
    for use in (found["periods"][0]["models"][0], found["days"][0]):
        assert (use["calls_with_estimated_cost"], use["calls_without_price"]) == (1, 0)
        assert use["cost_usd"] == pytest.approx(0.0001)


def test_latency_is_of_calls_that_answered(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder, database: Connection
) -> None:
    for ms in (100, 200, 900):
        message = people.ask(chat)
        [reply] = worker.claim()
        assert worker.complete(reply)
        database.execute(
            """update public.external_api_call_logs set first_token_ms = %s, latency_ms = 10 * %s
            where message_id = %s""",
            [ms, ms, message],
        )
    people.ask(chat)
    [reply] = worker.claim()
    assert worker.fail(reply, "timed_out")
    database.execute("update public.external_api_call_logs set latency_ms = 99999 where outcome = 'timed_out'")

    [model] = report()["periods"][0]["models"]
    assert model["first_token_ms"] == pytest.approx([200, 900, 900], rel=0.1)
    assert model["latency_ms"] == pytest.approx([2000, 9000, 9000], rel=0.1)


def test_no_content_and_nobody_in_it(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder
) -> None:
    people.ask(chat, QUESTION)
    [reply] = worker.claim()
    assert worker.complete(reply, ANSWER)

    text = str(report())
    for kept in (QUESTION, ANSWER, str(chat.user.id), str(chat.session), "example.test", "@"):
        assert kept not in text


def test_users_may_not_ask_for_it(people: People, chat: Chat) -> None:
    refused = people.signed_in(chat.user).post("/rpc/ops_report")
    assert (refused.status_code, refused.json()["code"]) == (403, "42501")
    assert people.anon().post("/rpc/ops_report").status_code == 401
