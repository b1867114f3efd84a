"""An answer that its user stops keeps what was shown; one that is cancelled from outside settles nothing."""

import asyncio

import pytest

from tests.support.answering import (
    BOUND,
    FakeBroadcaster,
    FakeReplies,
    a_lease,
    answerer_of,
    claimed,
    closed_for,
    told,
)
from tests.support.fake_provider import FakeProvider, FakeStream
from worker import answer as answer_module
from worker.errors import Truncated
from worker.rows import Usage


async def test_stopped_while_it_waits_for_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = asyncio.Event()

    def wait(seconds: float) -> float:
        waits.set()
        return seconds

    monkeypatch.setattr(answer_module, "jittered", wait)
    claim, replies, provider = claimed(), FakeReplies(), FakeProvider()
    answerer = answerer_of(replies, provider, FakeBroadcaster(), closed_for(3.5))
    answering = asyncio.create_task(answerer.answer(claim, a_lease()))
    await asyncio.wait_for(waits.wait(), BOUND)

    claim.cancel_requested.set()
    await asyncio.wait_for(answering, 2)

    assert provider.asked == []
    assert replies.settled == [("complete", "", "cancelled")]
    assert replies.calls[0].model_requested is None


async def test_stopped_before_any_call() -> None:
    claim = claimed()
    claim.cancel_requested.set()

    provider, replies, _ = await told(claim=claim)

    assert provider.asked == []
    assert replies.settled == [("complete", "", "cancelled")]


async def test_a_cancelled_answer_keeps_what_was_shown() -> None:
    claim, broadcaster, replies = claimed(), FakeBroadcaster(), FakeReplies()
    provider = FakeProvider(FakeStream("half", asyncio.Event(), "never", usage=Usage(prompt=3)))
    answering = asyncio.create_task(answerer_of(replies, provider, broadcaster).answer(claim, a_lease()))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    claim.cancel_requested.set()
    await asyncio.wait_for(answering, BOUND)

    assert replies.settled == [("complete", "half", "cancelled")]
    assert replies.calls[0].prompt_tokens == 3
    assert broadcaster.sent == [(1, 0, "half"), "flush"]
    assert provider.left == 1


async def test_cancelled_between_two_attempts() -> None:
    claim = claimed()
    stream = FakeStream(claim.cancel_requested.set, Truncated("x", retry_after=3.5))

    provider, replies, _ = await asyncio.wait_for(told(stream, claim=claim, models=["first"]), 2)

    assert len(provider.asked) == 1
    assert replies.settled == [("complete", "", "cancelled")]


async def test_a_task_cancelled_from_outside_settles_nothing() -> None:
    broadcaster, replies = FakeBroadcaster(), FakeReplies()
    provider = FakeProvider(FakeStream("half", asyncio.Event()))
    answering = asyncio.create_task(answerer_of(replies, provider, broadcaster).answer(claimed(), a_lease()))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    assert answering.cancelled()
    assert replies.settled == []
    assert provider.left == 1
