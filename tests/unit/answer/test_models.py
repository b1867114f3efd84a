"""Which model is asked next."""

import asyncio

import pytest

from tests.support.answering import (
    BOUND,
    FakeBroadcaster,
    FakeReplies,
    a_lease,
    answerer_of,
    asked_in_order,
    claimed,
    now,
    told,
)
from tests.support.calls import fail
from tests.support.fake_provider import FakeStream
from tests.support.gemini import settings_of
from tests.support.scripted_model import Exchange, ScriptedModel, chunk
from worker.errors import (
    AccessRefused,
    EmptyReply,
    ModelError,
    ModelGone,
    ModelOverloaded,
    QuotaSpent,
    RateLimited,
    TimedOut,
    Truncated,
)
from worker.model.admission import Admission
from worker.model.gemini import Gemini

PASSING = [ModelOverloaded, RateLimited, QuotaSpent, ModelGone, TimedOut, Truncated, EmptyReply]


@pytest.mark.parametrize("kind", PASSING)
async def test_the_next_model_is_asked_at_once(kind: type[ModelError]) -> None:
    """Whatever the provider wishes: that is about the other model."""
    provider, replies, broadcaster = await told(FakeStream("half", kind("x", retry_after=600.0)), FakeStream("whole"))

    assert asked_in_order(provider) == ["first", "second"]
    assert [call.model_requested for call in replies.calls] == ["first", "second"]
    assert replies.settled == [("next", "half", kind.error_code), ("complete", "whole", "stop")]
    assert broadcaster.sent == [(1, 0, "half"), (2, 0, "whole"), "flush"]


@pytest.mark.parametrize("kind", [ModelOverloaded, TimedOut, Truncated, EmptyReply])
async def test_where_there_is_no_other_the_same_model_is_asked_again(kind: type[ModelError]) -> None:
    provider, _, _ = await told(FakeStream(now(kind)), FakeStream("x"), models=["first"])

    assert asked_in_order(provider) == ["first", "first"]


async def test_a_model_that_hangs_is_followed_by_the_next_in_the_same_claim() -> None:
    """With the real client, which gives the first up for its silence."""

    async def answers(exchange: Exchange) -> None:
        if "/first:" in exchange.request.path:
            await exchange.gone.wait()
        else:
            await exchange.event(chunk("whole", "STOP"))

    async with ScriptedModel(answers) as server:
        gemini = Gemini(settings_of(server, "key", model_first_token_seconds=1.0))
        replies = FakeReplies()
        answering = answerer_of(replies, gemini, FakeBroadcaster()).answer(claimed(), a_lease())
        await asyncio.wait_for(answering, BOUND)
        await gemini.close()

    assert replies.settled == [("next", "", "timed_out"), ("complete", "whole", "stop")]


@pytest.mark.parametrize("kind", [RateLimited, QuotaSpent, ModelGone, AccessRefused])
async def test_when_every_model_is_closed_the_question_waits_in_the_queue(kind: type[ModelError]) -> None:
    streams = [FakeStream(kind("x")), FakeStream(kind("x"))]

    provider, replies, _ = await told(*streams, models=["first"])

    assert asked_in_order(provider) == ["first"]
    [(verb, code, retry_in)] = replies.settled
    assert (verb, code, retry_in is None) == ("fail", kind.error_code, False)


async def test_a_refused_key_is_not_offered_to_the_next_model() -> None:
    provider, replies, _ = await told(FakeStream(AccessRefused("x")))

    assert asked_in_order(provider) == ["first"]
    assert replies.settled[0][:2] == ("fail", "model_unavailable")


async def test_what_is_gone_is_not_asked_again_and_what_is_overloaded_is() -> None:
    streams = [FakeStream(now(ModelGone)), FakeStream(now(ModelOverloaded)), FakeStream("x")]

    provider, replies, _ = await told(*streams)

    assert asked_in_order(provider) == ["first", "second", "second"]
    assert replies.settled[-1] == ("complete", "x", "stop")


async def test_the_fallback_is_one_of_the_calls() -> None:
    provider, replies, _ = await told(FakeStream(now(ModelOverloaded)), claim=claimed(calls_left=1))

    assert asked_in_order(provider) == ["first"]
    assert replies.settled == [("fail", "model_overloaded", None)]


async def test_a_model_whose_breaker_is_open_is_passed_over() -> None:
    admission = Admission(["first", "second"])
    fail(admission, "first")

    provider, _, _ = await told(FakeStream("x"), admission=admission)

    assert asked_in_order(provider) == ["second"]
