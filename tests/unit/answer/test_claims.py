"""Calls begin while the lease holds; a claim that is lost ends quietly."""

import asyncio

from structlog.testing import capture_logs

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
from tests.support.fake_provider import FakeProvider, FakeStream
from worker.errors import ModelOverloaded, Truncated


async def test_without_a_lease_no_call_begins() -> None:
    """Somebody else may be answering it."""
    provider, replies, _ = await told(lease=a_lease(holds=False))

    assert provider.asked == []
    [(verb, due_in)] = replies.settled
    assert (verb, 0 < due_in < 1) == ("give_back", True)


async def test_nor_the_second_call_of_a_claim() -> None:
    lease = a_lease()

    def expire() -> None:
        lease.holds = False

    provider, replies, _ = await told(FakeStream(expire, now(ModelOverloaded)), lease=lease)

    assert asked_in_order(provider) == ["first"]
    assert [verb for verb, *_ in replies.settled] == ["next", "give_back"]


async def test_a_call_under_way_goes_on_past_the_lease() -> None:
    lease = a_lease()

    def expire() -> None:
        lease.holds = False

    _, replies, _ = await told(FakeStream("wh", expire, "ole"), lease=lease)

    assert replies.settled == [("complete", "whole", "stop")]


async def test_the_claim_knows_its_model_for_the_ledger_and_the_beat_is_hurried() -> None:
    claim, broadcaster, lease = claimed(), FakeBroadcaster(), a_lease()
    provider = FakeProvider(FakeStream("half", asyncio.Event()))
    answering = asyncio.create_task(answerer_of(FakeReplies(), provider, broadcaster).answer(claim, lease))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    assert claim.model == "first"
    assert lease.hurry.is_set()
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)


async def test_a_lost_claim_ends_quietly() -> None:
    provider, replies, broadcaster = await told(
        FakeStream("half", now(Truncated)), FakeStream("never"), replies=FakeReplies(held=False)
    )

    assert len(provider.asked) == 1
    assert replies.settled == [("next", "half", "truncated")]
    assert broadcaster.sent == [(1, 0, "half")]


async def test_a_claim_lost_at_the_end_is_not_an_error() -> None:
    with capture_logs() as lines:
        _, replies, _ = await told(FakeStream("x"), replies=FakeReplies(held=False))

    assert replies.settled == [("complete", "x", "stop")]
    assert [line["action"] for line in lines] == ["claim_lost"]
