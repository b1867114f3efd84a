"""What leads to a claim: wake-ups, and sweeps where none comes. No wake-up is lost, and none claims twice."""

import random
from typing import Any

import pytest

from tests.support.running import LONG, FakeAnswerer, FakeReplies, claim_of, running, turns
from tests.support.samples import causes, sample
from worker import runner as runner_module


async def test_a_wake_up_during_a_claim_is_not_lost() -> None:
    replies, answerer = FakeReplies(), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await replies.until_asked(1)

        async def meanwhile() -> None:
            # Too late for this claim, so it must bring another one.
            replies.on_claim = None
            replies.waiting.append(claim_of("late"))
            worker.wakeup.event.set()

        replies.on_claim = meanwhile
        worker.wakeup.event.set()
        await answerer.until(lambda: answerer.begun == ["late"])

    assert len(replies.asked) >= 3


@pytest.mark.parametrize(
    ("subscribed", "next_due", "settings"),
    [
        (True, None, {"sweep_seconds": 0.01}),
        (True, 0.01, {}),
        (False, None, {"degraded_sweep_seconds": 0.01}),
    ],
)
async def test_without_a_wake_up_it_asks_again(
    subscribed: bool, next_due: float | None, settings: dict[str, Any]
) -> None:
    replies = FakeReplies()
    replies.next_due = next_due
    async with running(replies, FakeAnswerer(), subscribed, **settings):
        await replies.until_asked(3)


async def test_questions_of_which_no_wake_up_told_make_it_ask_more_often() -> None:
    """Subscribed, and deaf: what the database sends reaches nobody."""
    replies, answerer = FakeReplies(), FakeAnswerer()
    async with running(replies, answerer, sweep_seconds=0.01, degraded_sweep_seconds=LONG) as worker:
        worker.wakeup._relied_on_since -= LONG
        await replies.until_asked(1)
        replies.waiting += [claim_of("m1", waited=5.0)]
        await answerer.until(lambda: answerer.begun == ["m1"])
        assert worker.wakeup.missed == 1, "one may have been late"
        replies.waiting += [claim_of("m2", waited=5.0)]
        await answerer.until(lambda: answerer.begun == ["m1", "m2"])
        assert (worker.wakeup.missed, worker.wakeup.state) == (2, "unreliable")
        asked = len(replies.asked)
        await turns()
        assert len(replies.asked) == asked, "from now on by the other rule, which is the longer one here"


async def test_what_was_put_off_tells_nothing_of_wake_ups() -> None:
    put_off, answerer = claim_of("m1", waited=5.0), FakeAnswerer()
    put_off.attempt = 2
    async with running(FakeReplies(put_off), answerer) as worker:
        worker.wakeup._relied_on_since -= LONG
        await answerer.until(lambda: answerer.begun == ["m1"])
        assert worker.wakeup.missed == 0


@pytest.mark.parametrize("subscribed", [True, False])
async def test_workers_that_were_started_together_do_not_stay_in_step(
    subscribed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = FakeReplies()
    waits = []
    async with running(replies, FakeAnswerer(), subscribed, sweep_seconds=60, degraded_sweep_seconds=60) as worker:
        await replies.until_asked(1)
        waits = [worker.runner._sweep().seconds for _ in range(100)]

    assert len(set(waits)) == 100
    assert 42 <= min(waits) < max(waits) <= 60, "and never longer than was set"


async def test_wake_ups_within_a_moment_lead_to_one_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "COALESCE_SECONDS", 0.05)
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    replies = FakeReplies()
    async with running(replies, FakeAnswerer()) as worker:
        await replies.until_asked(1)
        await turns()
        for _ in range(5):
            worker.wakeup.hear()
            await turns(10)
        await replies.until_asked(2)
        await turns()
        assert len(replies.asked) == 2


async def test_a_wake_up_that_found_nothing_is_no_reason_to_look_again() -> None:
    replies = FakeReplies()
    async with running(replies, FakeAnswerer()) as worker:
        await replies.until_asked(1)
        worker.wakeup.hear()
        await replies.until_asked(2)
        await turns()
        assert len(replies.asked) == 2


@pytest.mark.parametrize(
    ("subscribed", "next_due", "settings", "cause"),
    [
        (True, None, {"sweep_seconds": 0.01}, "sweep"),
        (True, 0.01, {}, "due"),
        (False, None, {"degraded_sweep_seconds": 0.01}, "degraded_sweep"),
    ],
)
async def test_work_that_no_wake_up_told_of_is_counted(
    subscribed: bool, next_due: float | None, settings: dict[str, Any], cause: str
) -> None:
    before = causes().get((cause, "work"), 0)
    replies, answerer = FakeReplies(), FakeAnswerer()
    replies.next_due = next_due
    async with running(replies, answerer, subscribed, **settings):
        await replies.until_asked(1)
        replies.waiting.append(claim_of("m1"))
        await answerer.until(lambda: answerer.begun)

    assert causes()[cause, "work"] == before + 1


async def test_from_wake_up_to_claim_and_what_is_in_flight() -> None:
    before, lost = sample("postbro_wakeup_to_claim_seconds_count"), sample("postbro_leases_lost_total")
    replies, answerer = FakeReplies(), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await replies.until_asked(1)
        claim = claim_of("m1")
        replies.waiting.append(claim)
        worker.wakeup.hear()
        await answerer.until(lambda: answerer.begun)
        assert sample("postbro_wakeup_to_claim_seconds_count") == before + 1
        assert sample("postbro_replies_in_flight") == 1
        replies.lost = [claim]
        await answerer.until(lambda: answerer.cancelled)

    assert sample("postbro_leases_lost_total") == lost + 1
    assert sample("postbro_replies_in_flight") == 0
