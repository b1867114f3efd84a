"""The deadline of all calls of one claim together."""

import asyncio

from tests.support.answering import claimed, told
from tests.support.fake_provider import FakeStream
from worker.errors import Truncated
from worker.network.jitter import JITTER
from worker.rows import Usage


async def test_past_the_deadline_the_reply_goes_back_to_the_queue() -> None:
    stream = FakeStream("half", asyncio.Event(), usage=Usage(prompt=3))

    provider, replies, broadcaster = await told(stream, deadline=0.1)

    [(verb, code, retry_in)] = replies.settled
    assert (verb, code, len(provider.asked)) == ("fail", "timed_out", 1)
    assert retry_in >= 1
    assert replies.calls[0].prompt_tokens == 3
    assert broadcaster.sent == [(1, 0, "half")]


async def test_past_the_deadline_without_another_call_it_fails() -> None:
    _, replies, _ = await told(FakeStream(asyncio.Event()), deadline=0.1, claim=claimed(calls_left=1))

    assert replies.settled == [("fail", "timed_out", None)]


async def test_the_deadline_is_for_all_attempts_together() -> None:
    """A wish that ends after it is granted in the queue."""
    _, replies, _ = await told(FakeStream(Truncated("x", retry_after=4.0)), deadline=3.0, models=["first"])

    [(verb, code, retry_in)] = replies.settled
    assert (verb, code) == ("fail", "truncated")
    assert 4 <= retry_in <= 4 * (1 + JITTER)
