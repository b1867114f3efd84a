"""After an error: another call, the queue, or the end of the reply."""

from typing import cast

import pytest

from tests.support.answering import asked_in_order, claimed, now, told
from tests.support.fake_provider import FakeStream
from worker.errors import (
    ContentBlocked,
    EmptyReply,
    InternalError,
    ModelError,
    ModelOverloaded,
    PromptTooLong,
    RateLimited,
    Truncated,
)
from worker.network.jitter import JITTER
from worker.prompt.budget import Budget
from worker.rows import Post, Usage


@pytest.mark.parametrize("kind", [ModelOverloaded, RateLimited, Truncated, EmptyReply])
async def test_a_passing_error_starts_afresh_at_offset_zero(kind: type[ModelError]) -> None:
    usage = Usage(prompt=10, candidates=1)

    provider, replies, broadcaster = await told(FakeStream("half", now(kind), usage=usage), FakeStream("whole"))

    assert broadcaster.sent == [(1, 0, "half"), (2, 0, "whole"), "flush"]
    assert replies.settled == [("next", "half", kind.error_code), ("complete", "whole", "stop")]
    assert provider.asked[0][1].turns == provider.asked[1][1].turns
    assert [call.prompt_tokens for call in replies.calls] == [10, None]


async def test_half_a_pair_of_a_failed_attempt_does_not_come_back() -> None:
    _, replies, _ = await told(FakeStream("half\ud83c", now(Truncated)), FakeStream("\udf73"))

    assert replies.settled[-1] == ("complete", "\ufffd", "stop")


async def test_calls_come_to_an_end() -> None:
    streams = [FakeStream(now(Truncated)) for _ in range(3)]

    provider, replies, _ = await told(*streams, claim=claimed(calls_left=3))

    assert provider.streams == []
    assert replies.settled == [("next", "", "truncated")] * 2 + [("fail", "truncated", None)]


async def test_what_a_limit_refuses_is_none_of_them() -> None:
    streams = [FakeStream(RateLimited("x", 60.0)), FakeStream(now(Truncated)), FakeStream("x")]

    provider, replies, _ = await told(*streams, claim=claimed(calls_left=2))

    assert asked_in_order(provider) == ["first", "second", "second"]
    assert [settled[-1] for settled in replies.settled] == ["rate_limited", "truncated", "stop"]


@pytest.mark.parametrize("kind", [ContentBlocked, PromptTooLong, InternalError])
async def test_a_lasting_error_fails_with_its_code(kind: type[ModelError]) -> None:
    provider, replies, broadcaster = await told(FakeStream("half", kind("x", retry_after=1.0)))

    assert len(provider.asked) == 1
    assert replies.settled == [("fail", kind.error_code, None)]
    assert broadcaster.sent == [(1, 0, "half")]


async def test_the_estimate_learns_from_what_the_provider_counts() -> None:
    budget = Budget(32_000)

    provider, _, _ = await told(FakeStream("x", usage=Usage(prompt=100_000)), budget=budget)

    assert provider.asked[0][1].estimated_tokens > 100
    assert budget.ratio("s1") > 1


async def test_a_prompt_that_cannot_be_built_is_our_fault() -> None:
    claim = claimed()
    claim.reply.posts[0] = cast(Post, None)

    provider, replies, _ = await told(claim=claim)

    assert provider.asked == []
    assert replies.settled == [("fail", "internal", None)]


async def test_a_long_wait_goes_back_to_the_queue() -> None:
    _, replies, _ = await told(FakeStream(Truncated("x", retry_after=23.0)), models=["first"])

    [(verb, code, retry_in)] = replies.settled
    assert (verb, code) == ("fail", "truncated")
    assert 23 <= retry_in <= 23 * (1 + JITTER)
