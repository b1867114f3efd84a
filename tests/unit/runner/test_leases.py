"""What a worker may do while its lease holds, and what it gives up when it is lost."""

import pytest

from tests.support.clock import Clock
from tests.support.running import FakeAnswerer, FakeReplies, claim_of, running, turns
from tests.support.samples import causes
from worker import lease as lease_module
from worker.errors import DatabaseAway
from worker.rows import Call


async def test_a_lost_lease_cancels_its_task_and_no_other() -> None:
    lost, kept = claim_of("lost"), claim_of("kept")
    replies, answerer = FakeReplies(lost, kept), FakeAnswerer()
    async with running(replies, answerer):
        await answerer.until(lambda: len(answerer.begun) == 2)
        replies.lost = [lost]
        await answerer.until(lambda: answerer.cancelled)

    assert (answerer.cancelled, answerer.ended) == (["lost"], ["kept"])


async def test_the_call_of_a_lost_lease_is_closed_and_a_claim_that_made_none_is_not() -> None:
    asked, unasked = claim_of("asked"), claim_of("unasked")
    asked.call, unasked.call = Call("v1", "a-model"), Call("v1")
    replies, answerer = FakeReplies(asked, unasked), FakeAnswerer()
    async with running(replies, answerer):
        await answerer.until(lambda: len(answerer.begun) == 2)
        replies.lost = [asked, unasked]
        await answerer.until(lambda: len(answerer.cancelled) == 2)

    # Should the claim hold all the same, its question is due again: it must not fail.
    assert replies.failed == [("asked", "internal", 0.0, asked.call)]


@pytest.fixture
def boottime(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lease_module, "now", clock)
    return clock


async def test_past_its_lease_it_claims_nothing_and_what_is_under_way_goes_on(boottime: Clock) -> None:
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await answerer.until(lambda: answerer.begun)
        await turns()
        asked = len(replies.asked)
        replies.beat_error = DatabaseAway("beat: ReadTimeout")
        await replies.until_beaten()
        boottime.now += 15
        replies.waiting.append(claim_of("m2"))
        for _ in range(3):
            worker.wakeup.hear()
            await turns()
        assert len(replies.asked) == asked
        assert not worker.runner.api_answers
        assert answerer.cancelled == []
        replies.beat_error = None
        await answerer.until(lambda: answerer.begun == ["m1", "m2"])

    assert answerer.ended == ["m1", "m2"]


async def test_when_its_lease_holds_again_it_claims_and_no_wake_up_was_missed(boottime: Clock) -> None:
    before = causes()
    replies, answerer = FakeReplies(), FakeAnswerer()
    async with running(replies, answerer):
        await replies.until_asked(1)
        await turns()
        replies.beat_error = DatabaseAway("beat: ReadTimeout")
        await replies.until_beaten(2)
        boottime.now += 15
        replies.waiting.append(claim_of("m1"))
        replies.beat_error = None
        await answerer.until(lambda: answerer.begun == ["m1"])

    assert causes()["start", "work"] == before["start", "work"] + 1
    assert causes()["sweep", "work"] == before["sweep", "work"]


async def test_a_worker_that_is_full_knows_that_the_api_answers_again(boottime: Clock) -> None:
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    async with running(replies, answerer, worker_concurrency=1) as worker:
        await answerer.until(lambda: answerer.begun)
        replies.beat_error = DatabaseAway("beat: ReadTimeout")
        await replies.until_beaten()
        boottime.now += 15
        worker.wakeup.hear()
        await turns()
        assert not worker.runner.api_answers
        replies.beat_error = None
        await replies.until_beaten(2)
        await turns()
        assert worker.runner.api_answers


async def test_within_the_lease_an_outage_costs_nothing() -> None:
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    replies.beat_error = DatabaseAway("beat: ReadTimeout")
    async with running(replies, answerer):
        await replies.until_beaten(3)
        assert answerer.cancelled == []

    assert answerer.ended == ["m1"]
