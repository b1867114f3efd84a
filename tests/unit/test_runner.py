"""The loop of the worker, with a fake database: nothing is missed, overfilled or kept too long."""

import asyncio
import contextlib
import time
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from worker import metrics
from worker import runner as runner_module
from worker.config import WorkerSettings
from worker.errors import DatabaseAway
from worker.models import Reply
from worker.replies import Claim
from worker.runner import Runner
from worker.wakeup import WakeUp

BOUND = 5  # seconds; what takes as long has failed
LONG = 3600.0


class FakeReplies:
    """A queue of claims. Events tell the test what has happened; `on_claim` is run during each claim."""

    def __init__(self, *waiting):
        self.waiting = list(waiting)
        self.asked = []
        self.claimed = asyncio.Condition()
        self.on_claim = None
        self.next_due = None
        self.claim_error = None
        self.lost = []
        self.renew_error = None
        self.renewed = asyncio.Event()
        self.drafts = []
        self.released = 0

    async def claim(self, max_replies):
        self.asked.append(max_replies)
        taken = [self.waiting.pop(0) for _ in range(min(max_replies, len(self.waiting)))]
        error = self.claim_error
        if self.on_claim:
            await self.on_claim()
        async with self.claimed:
            self.claimed.notify_all()
        if error:
            raise error
        return taken, self.next_due

    async def renew(self, claims):
        self.renewed.set()
        if self.renew_error:
            raise self.renew_error
        return [claim for claim in claims if claim in self.lost]

    async def save_drafts(self, claims):
        self.drafts.append([claim.message_id for claim in claims])

    async def release(self):
        self.released += 1
        return 0

    async def until_asked(self, times):
        async with self.claimed:
            await asyncio.wait_for(self.claimed.wait_for(lambda: len(self.asked) >= times), BOUND)


class FakeAnswerer:
    """Answers when allowed to. `begun`, `ended` and `cancelled` hold message ids."""

    def __init__(self):
        self.may_end = asyncio.Event()
        self.begun, self.ended, self.cancelled = [], [], []
        self.under_way = self.most_under_way = 0
        self.error = None
        self.changed = asyncio.Condition()

    async def answer(self, claim):
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self._note(self.begun, claim)
        try:
            await self.may_end.wait()
            if self.error:
                raise self.error
            self.ended.append(claim.message_id)
        except asyncio.CancelledError:
            self.cancelled.append(claim.message_id)
            raise
        finally:
            self.under_way -= 1
            async with self.changed:
                self.changed.notify_all()

    async def _note(self, notes, claim):
        notes.append(claim.message_id)
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(condition), BOUND)


def claim_of(name, lease_until=float("inf")):
    return Claim(Reply(name, "s", 1, 1, 1, "?", [], [], []), 1, 1, lease_until)


def running(replies, answerer, subscribed=True, **settings):
    """A runner under way, its wake-up, and its end."""

    @contextlib.asynccontextmanager
    async def manage():
        worker_settings = WorkerSettings(
            _env_file=None,
            supabase_url="http://unused",
            supabase_secret_key="unused",
            gemini_api_key="unused",
            **{"sweep_seconds": LONG, "degraded_sweep_seconds": LONG, **settings},
        )
        wakeup = WakeUp(worker_settings)
        wakeup.subscribed = subscribed
        runner = Runner(worker_settings, replies, wakeup, answerer)
        task = asyncio.create_task(runner.run())
        try:
            yield SimpleNamespace(runner=runner, wakeup=wakeup, task=task)
        finally:
            answerer.may_end.set()
            runner.stop()
            await asyncio.wait_for(task, BOUND)

    return manage()


@pytest.fixture(autouse=True)
def _leases_are_kept_often(monkeypatch):
    monkeypatch.setattr(runner_module, "KEEP_SECONDS", 0.01)


async def test_a_wake_up_during_a_claim_is_not_lost():
    replies, answerer = FakeReplies(), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await replies.until_asked(1)

        async def meanwhile():
            # Too late for this claim, so it must bring another one.
            replies.on_claim = None
            replies.waiting.append(claim_of("late"))
            worker.wakeup.event.set()

        replies.on_claim = meanwhile
        worker.wakeup.event.set()
        await answerer.until(lambda: answerer.begun == ["late"])

    assert len(replies.asked) >= 3


async def test_capacity_is_respected_and_a_free_place_is_filled_at_once():
    replies, answerer = FakeReplies(*(claim_of(f"m{n}") for n in range(7))), FakeAnswerer()
    async with running(replies, answerer, worker_concurrency=3) as worker:
        await answerer.until(lambda: len(answerer.begun) == 3)
        worker.wakeup.event.set()
        await asyncio.sleep(0.02)  # were it claiming beyond its places, it would by now
        assert replies.asked == [3]
        answerer.may_end.set()
        await answerer.until(lambda: len(answerer.ended) == 7)

    assert answerer.most_under_way == 3
    assert all(0 < asked <= 3 for asked in replies.asked)


@pytest.mark.parametrize(
    ("subscribed", "next_due", "settings"),
    [
        (True, None, {"sweep_seconds": 0.01}),
        (True, 0.01, {}),
        (False, None, {"degraded_sweep_seconds": 0.01}),
    ],
)
async def test_without_a_wake_up_it_asks_again(subscribed, next_due, settings):
    replies = FakeReplies()
    replies.next_due = next_due
    async with running(replies, FakeAnswerer(), subscribed, **settings):
        await replies.until_asked(3)


async def test_an_api_that_is_away_is_asked_again_and_told_once():
    replies, answerer = FakeReplies(), FakeAnswerer()
    with capture_logs() as lines:
        async with running(replies, answerer, degraded_sweep_seconds=0.01) as worker:
            await replies.until_asked(1)
            replies.claim_error = DatabaseAway("claim_replies: ConnectError")
            worker.wakeup.event.set()
            await replies.until_asked(5)
            assert not worker.runner.api_answers
            replies.claim_error = None
            replies.waiting.append(claim_of("m1"))
            await answerer.until(lambda: answerer.begun == ["m1"])
            assert worker.runner.api_answers

    assert [line["action"] for line in lines if line["log_level"] == "warning"] == ["claim_failed"]


async def test_an_api_that_has_never_answered_is_told_too():
    replies = FakeReplies()
    replies.claim_error = DatabaseAway("claim_replies: ConnectError")
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer(), degraded_sweep_seconds=0.01):
            await replies.until_asked(3)

    assert [line["action"] for line in lines if line["log_level"] == "warning"] == ["claim_failed"]


async def test_a_lost_lease_cancels_its_task_and_no_other():
    lost, kept = claim_of("lost"), claim_of("kept")
    replies, answerer = FakeReplies(lost, kept), FakeAnswerer()
    async with running(replies, answerer):
        await answerer.until(lambda: len(answerer.begun) == 2)
        replies.lost = [lost]
        await answerer.until(lambda: answerer.cancelled)

    assert (answerer.cancelled, answerer.ended) == (["lost"], ["kept"])


@pytest.mark.parametrize("error", [DatabaseAway("renew_leases: ReadTimeout"), TimeoutError()])
async def test_past_the_lease_it_gives_up_although_nobody_answers(error):
    expired, living = claim_of("expired"), claim_of("living")
    replies, answerer = FakeReplies(expired, living), FakeAnswerer()
    replies.renew_error = error
    async with running(replies, answerer):
        await answerer.until(lambda: len(answerer.begun) == 2)
        expired.lease_until = time.monotonic()
        await answerer.until(lambda: answerer.cancelled)

    assert (answerer.cancelled, answerer.ended) == (["expired"], ["living"])


async def test_within_the_lease_an_outage_costs_nothing():
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    replies.renew_error = DatabaseAway("renew_leases: ReadTimeout")
    async with running(replies, answerer):
        for _ in range(3):
            replies.renewed.clear()
            await asyncio.wait_for(replies.renewed.wait(), BOUND)
        assert answerer.cancelled == []

    assert answerer.ended == ["m1"]
    assert ["m1"] in replies.drafts


async def test_a_place_is_free_again_after_a_failure():
    replies, answerer = FakeReplies(claim_of("m1"), claim_of("m2")), FakeAnswerer()
    answerer.error = ValueError("sentinel")
    answerer.may_end.set()
    with capture_logs() as lines:
        async with running(replies, answerer, worker_concurrency=1):
            await answerer.until(lambda: answerer.begun == ["m1", "m2"])

    dropped = [line for line in lines if line["action"] == "reply_dropped"]
    assert [(line["message_id"], line["error"]) for line in dropped] == [
        ("m1", "ValueError"),
        ("m2", "ValueError"),
    ]
    assert "sentinel" not in str(lines)


async def test_stopping_lets_finish_and_releases():
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await answerer.until(lambda: answerer.begun)
        worker.runner.stop()
        replies.waiting.append(claim_of("m2"))
        await asyncio.sleep(0.02)
        assert replies.released == 0
        answerer.may_end.set()
        await asyncio.wait_for(asyncio.shield(worker.task), BOUND)

    assert (answerer.begun, answerer.ended, replies.released) == (["m1"], ["m1"], 1)


async def test_what_outlives_the_grace_period_is_cancelled_and_released():
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    async with running(replies, answerer, shutdown_grace_seconds=0.01) as worker:
        await answerer.until(lambda: answerer.begun)
        worker.runner.stop()
        await asyncio.wait_for(asyncio.shield(worker.task), BOUND)
        assert answerer.cancelled == ["m1"]

    assert replies.released == 1


async def test_leases_are_kept_while_it_drains():
    lost = claim_of("m1")
    replies, answerer = FakeReplies(lost), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await answerer.until(lambda: answerer.begun)
        worker.runner.stop()
        replies.lost = [lost]
        await asyncio.wait_for(asyncio.shield(worker.task), BOUND)

    assert answerer.cancelled == ["m1"]
    assert replies.released == 1


async def test_a_release_that_fails_does_not_keep_it_from_stopping():
    replies = FakeReplies()

    async def away():
        raise DatabaseAway("release_replies: ConnectError")

    replies.release = away
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)

    assert lines[-1]["action"] == "release_failed"


def causes():
    """What led to the claims so far, and what they found."""
    return {
        (sample.labels["cause"], sample.labels["found"]): sample.value
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
        if sample.name == "postbro_claims_total"
    }


async def test_a_wake_up_that_found_nothing_is_looked_at_once_more(monkeypatch):
    """Its row could not be seen yet. Without the second look it would wait for the sweep."""
    monkeypatch.setattr(runner_module, "SECOND_LOOK_SECONDS", 0.01)
    replies, answerer = FakeReplies(), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await replies.until_asked(1)
        before = causes().get(("second_look", "work"), 0)

        async def too_late_to_be_seen():
            replies.on_claim = None
            replies.waiting.append(claim_of("late"))

        replies.on_claim = too_late_to_be_seen
        worker.wakeup.hear()
        await answerer.until(lambda: answerer.begun == ["late"])
        assert causes()["second_look", "work"] == before + 1


async def test_there_is_one_second_look_and_no_third(monkeypatch):
    monkeypatch.setattr(runner_module, "SECOND_LOOK_SECONDS", 0.01)
    replies = FakeReplies()
    async with running(replies, FakeAnswerer()) as worker:
        await replies.until_asked(1)
        worker.wakeup.hear()
        await replies.until_asked(3)
        await asyncio.sleep(0.05)  # were it looking for ever, it would have by now
        assert len(replies.asked) == 3


@pytest.mark.parametrize(
    ("subscribed", "next_due", "settings", "cause"),
    [
        (True, None, {"sweep_seconds": 0.01}, "sweep"),
        (True, 0.01, {}, "due"),
        (False, None, {"degraded_sweep_seconds": 0.01}, "degraded_sweep"),
    ],
)
async def test_work_that_no_wake_up_told_of_is_counted(subscribed, next_due, settings, cause):
    before = causes().get((cause, "work"), 0)
    replies, answerer = FakeReplies(), FakeAnswerer()
    replies.next_due = next_due
    async with running(replies, answerer, subscribed, **settings):
        await replies.until_asked(1)
        replies.waiting.append(claim_of("m1"))
        await answerer.until(lambda: answerer.begun)

    assert causes()[cause, "work"] == before + 1


async def test_from_wake_up_to_claim_and_what_is_in_flight():
    def count(name):
        return metrics.REGISTRY.get_sample_value(name)

    before, lost = count("postbro_wakeup_to_claim_seconds_count"), count("postbro_leases_lost_total")
    replies, answerer = FakeReplies(), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await replies.until_asked(1)
        claim = claim_of("m1")
        replies.waiting.append(claim)
        worker.wakeup.hear()
        await answerer.until(lambda: answerer.begun)
        assert count("postbro_wakeup_to_claim_seconds_count") == before + 1
        assert count("postbro_replies_in_flight") == 1
        replies.lost = [claim]
        await answerer.until(lambda: answerer.cancelled)

    assert count("postbro_leases_lost_total") == lost + 1
    assert count("postbro_replies_in_flight") == 0
