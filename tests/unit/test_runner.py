"""The loop of the worker, with a fake database: nothing is missed, overfilled or kept too long."""

import asyncio
import contextlib
import itertools
import time
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from tests.support.clock import Clock
from worker import lease as lease_module
from worker import runner as runner_module
from worker.answering import Answering
from worker.claim import Claim
from worker.config import WorkerSettings
from worker.database.replies import Beaten, Claimed
from worker.errors import DatabaseAway, DatabaseRefused
from worker.realtime.wakeup import WakeUp
from worker.rows import Call, Reply
from worker.runner import Runner
from worker.telemetry import metrics

BOUND = 5  # seconds; what takes as long has failed
LONG = 3600.0


class FakeReplies:
    """A queue of claims. Events tell the test what has happened; `on_claim` is run during each claim."""

    def __init__(self, *waiting):
        self.worker_id = "w1"
        self.waiting = list(waiting)
        self.asked, self.numbers, self.asked_at = [], [], []
        self.changed = asyncio.Condition()
        self.on_claim = None
        self.next_due = None
        self.unreadable = 0
        self.refused = {}
        self.claim_error = self.register_error = self.beat_error = self.release_error = None
        self.is_alive = self.is_known = True
        self.lost = []
        self.beats = []
        self.drafts = []
        self.failed = []
        self.freed, self.left = 1, [0]
        self.found = []
        self.events = []

    async def _note(self, event):
        self.events.append(event)
        async with self.changed:
            self.changed.notify_all()

    async def register(self, version, concurrency):
        await self._note("register")
        if self.register_error:
            raise self.register_error
        self.is_alive = True
        return 1

    def begin_anew(self):
        self.worker_id += "'"

    async def claim(self, number, max_replies):
        self.asked.append(max_replies)
        self.numbers.append(number)
        self.asked_at.append(time.monotonic())
        taken = [self.waiting.pop(0) for _ in range(min(max_replies, len(self.waiting)))]
        unreadable, self.unreadable = self.unreadable, 0
        error = self.claim_error
        if self.on_claim:
            await self.on_claim()
        await self._note("claim")
        if error:
            raise error
        return Claimed(taken, self.next_due, self.is_known, self.refused, unreadable)

    async def beat(self, claims, claims_known, closed):
        self.beats.append(SimpleNamespace(held=[claim.message_id for claim in claims], known=claims_known))
        await self._note("beat")
        if self.beat_error:
            raise self.beat_error
        lost = [claim for claim in claims if claim in self.lost]
        return Beaten(self.is_alive, 1, lost)

    async def save_drafts(self, claims):
        self.drafts.append([claim.message_id for claim in claims])
        await self._note("drafts")

    async def fail(self, claim, error_code, retry_in, call):
        self.failed.append((claim.message_id, error_code, retry_in, call))
        await self._note("fail")
        return True

    async def reconcile(self, max_wait_seconds, every_seconds):
        await self._note("reconcile")
        return self.found.pop(0) if self.found else None

    async def release(self):
        await self._note("release")
        if self.release_error:
            raise self.release_error
        return self.freed, self.left.pop(0) if len(self.left) > 1 else self.left[0]

    @property
    def released(self):
        return self.events.count("release")

    async def until(self, condition):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(condition), BOUND)

    async def until_asked(self, times):
        await self.until(lambda: len(self.asked) >= times)

    async def until_beaten(self, times=1):
        """So many more beats."""
        wanted = len(self.beats) + times
        await self.until(lambda: len(self.beats) >= wanted)


class FakeAdmission:
    """So many calls may begin; and if none, one may in so many seconds."""

    def __init__(self, free=1000, seconds=LONG):
        self.free, self.seconds = free, seconds

    def capacity(self, most):
        return min(most, self.free)

    def opens_in(self):
        return 0.0 if self.free else self.seconds

    def set_workers(self, number):
        pass


class FakeAnswerer:
    """Answers when allowed to. `begun`, `ended` and `cancelled` hold message ids."""

    def __init__(self):
        self.may_end = asyncio.Event()
        self.begun, self.ended, self.cancelled = [], [], []
        self.under_way = self.most_under_way = 0
        self.error = None
        self.changed = asyncio.Condition()

    async def answer(self, claim, lease):
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


def claim_of(name, waited=0.0):
    return Claim(Reply(name, "s", "u", 1, 1, 4, "?", [], [], [], round(waited * 1000)), "w1", 1, 4)


def settings_of(**settings):
    return WorkerSettings(
        _env_file=None,
        supabase_url="http://unused",
        supabase_secret_key="unused",
        gemini_api_key="unused",
        **{"sweep_seconds": LONG, "degraded_sweep_seconds": LONG, **settings},
    )


def running(replies, answerer, subscribed=True, admission=None, **settings):
    """A runner under way, its wake-up, and its end."""

    @contextlib.asynccontextmanager
    async def manage():
        worker_settings = settings_of(**settings)
        wakeup = WakeUp(worker_settings)
        wakeup.subscribed = wakeup.flows = subscribed
        runner = Runner(worker_settings, replies, wakeup, answerer, admission or FakeAdmission())
        task = asyncio.create_task(runner.run())
        try:
            yield SimpleNamespace(runner=runner, wakeup=wakeup, task=task)
        finally:
            answerer.may_end.set()
            runner.stop()
            await asyncio.wait_for(task, BOUND)

    return manage()


async def turns(number=100):
    """So many turns of the loop: what could happen at once has happened."""
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _everything_comes_soon(monkeypatch):
    monkeypatch.setattr(runner_module, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(runner_module, "COALESCE_SECONDS", 0.0)
    monkeypatch.setattr(runner_module, "FIRST_BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(runner_module, "RELEASE_SECONDS", 0.2)
    monkeypatch.setattr(runner_module, "RELEASE_PAUSE_SECONDS", 0.01)


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


async def test_questions_of_which_no_wake_up_told_make_it_ask_more_often():
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


async def test_what_was_put_off_tells_nothing_of_wake_ups():
    put_off, answerer = claim_of("m1", waited=5.0), FakeAnswerer()
    put_off.attempt = 2
    async with running(FakeReplies(put_off), answerer) as worker:
        worker.wakeup._relied_on_since -= LONG
        await answerer.until(lambda: answerer.begun == ["m1"])
        assert worker.wakeup.missed == 0


@pytest.mark.parametrize("subscribed", [True, False])
async def test_workers_that_were_started_together_do_not_stay_in_step(subscribed, monkeypatch):
    replies = FakeReplies()
    waits = []
    async with running(replies, FakeAnswerer(), subscribed, sweep_seconds=60, degraded_sweep_seconds=60) as worker:
        await replies.until_asked(1)
        waits = [worker.runner._sweep().seconds for _ in range(100)]

    assert len(set(waits)) == 100
    assert 42 <= min(waits) < max(waits) <= 60, "and never longer than was set"


async def test_it_registers_before_the_first_claim():
    replies = FakeReplies()
    async with running(replies, FakeAnswerer()):
        await replies.until_asked(1)

    assert [event for event in replies.events if event != "reconcile"][:2] == ["register", "claim"]
    assert replies.numbers[0] == 1


async def test_without_a_registration_nothing_is_claimed_and_with_it_at_once():
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    replies.register_error = DatabaseAway("register_worker: ConnectError")
    async with running(replies, answerer) as worker:
        await replies.until(lambda: replies.events.count("register") >= 2)
        worker.wakeup.hear()
        await turns()
        assert replies.asked == []
        assert (worker.runner.api_answers, worker.runner.api_refuses) == (False, None)
        replies.register_error = None
        await answerer.until(lambda: answerer.begun == ["m1"])
        assert worker.runner.api_answers


async def test_a_registration_that_is_refused_is_no_outage():
    """The migrations are missing: the network is the wrong place to look."""
    replies = FakeReplies()
    replies.register_error = DatabaseRefused("register_worker: PGRST202", "PGRST202")
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()) as worker:
            await replies.until(lambda: replies.events.count("register") >= 2)
            worker.wakeup.hear()
            await turns()
            assert (worker.runner.api_answers, worker.runner.api_refuses) == (False, "PGRST202")

    assert [line["action"] for line in lines if line["log_level"] == "warning"][:1] == ["task_refused"]


async def test_while_no_model_may_be_asked_nothing_is_claimed():
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    admission = FakeAdmission(free=0)
    async with running(replies, answerer, admission=admission) as worker:
        await replies.until_beaten()
        for _ in range(3):
            worker.wakeup.hear()
            await turns()
        assert replies.asked == []
        admission.free = 1
        worker.wakeup.hear()
        await answerer.until(lambda: answerer.begun == ["m1"])


async def test_and_as_soon_as_one_may_be_it_claims():
    before = causes().get(("admission", "work"), 0)
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    admission = FakeAdmission(free=0, seconds=0.02)
    async with running(replies, answerer, admission=admission):
        await replies.until_beaten()
        admission.free = 1
        await answerer.until(lambda: answerer.begun == ["m1"])

    assert causes()["admission", "work"] == before + 1


async def test_it_claims_no_more_than_may_be_asked():
    replies = FakeReplies()
    async with running(replies, FakeAnswerer(), admission=FakeAdmission(free=3), worker_concurrency=10):
        await replies.until_asked(1)

    assert replies.asked[0] == 3


async def test_after_a_full_hand_more_follows_at_once():
    more = causes().get(("more", "work"), 0)
    replies, answerer = FakeReplies(*(claim_of(f"m{n}") for n in range(45))), FakeAnswerer()
    async with running(replies, answerer, worker_concurrency=50):
        await answerer.until(lambda: len(answerer.begun) == 45)
        assert replies.asked == [20, 20, 10]

    assert causes()["more", "work"] == more + 2


async def test_also_where_a_row_of_it_could_not_be_read():
    """The hand was full, although less is held: others are due, and no wake-up will tell of them."""
    replies, answerer = FakeReplies(), FakeAnswerer()
    replies.unreadable = 1
    async with running(replies, answerer, worker_concurrency=1):
        await replies.until_asked(2)


async def test_wake_ups_within_a_moment_lead_to_one_claim(monkeypatch):
    monkeypatch.setattr(runner_module, "COALESCE_SECONDS", 0.05)
    monkeypatch.setattr(runner_module.random, "uniform", lambda low, high: high)
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


async def test_an_api_that_is_away_is_asked_again_and_told_once():
    replies, answerer = FakeReplies(), FakeAnswerer()
    with capture_logs() as lines:
        async with running(replies, answerer) as worker:
            await replies.until_asked(1)
            replies.claim_error = DatabaseAway("claim_replies: ConnectError")
            worker.wakeup.event.set()
            await replies.until_asked(5)
            assert (worker.runner.api_answers, worker.runner.api_refuses) == (False, None)
            replies.claim_error = None
            replies.waiting.append(claim_of("m1"))
            await answerer.until(lambda: answerer.begun == ["m1"])
            assert worker.runner.api_answers

    assert [line["action"] for line in lines if line["log_level"] == "warning"] == ["claim_failed"]


async def test_an_api_that_has_never_answered_a_claim_is_told_too():
    replies = FakeReplies()
    replies.claim_error = DatabaseAway("claim_replies: ConnectError")
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(3)

    assert [line["action"] for line in lines if line["log_level"] == "warning"] == ["claim_failed"]


async def test_so_is_one_that_answered_no_beat_before(monkeypatch):
    """The lease has said already that it is away; that the claim fails is news all the same."""
    replies = FakeReplies()
    replies.register_error = DatabaseAway("register_worker: ConnectError")
    replies.claim_error = DatabaseAway("claim_replies: 57014")
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until(lambda: replies.events.count("register") >= 2)
            replies.register_error = None
            await replies.until_asked(2)

    actions = [line["action"] for line in lines if line["log_level"] == "warning"]
    assert actions == ["api_away", "claim_failed"]


async def test_a_claim_that_is_refused_is_a_defect_and_no_outage():
    def refused():
        return sum(number for (_, found), number in causes().items() if found == "refused")

    before = refused()
    replies = FakeReplies()
    replies.claim_error = DatabaseRefused("claim_replies: PGRST202", "PGRST202")
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()) as worker:
            await replies.until_asked(3)
            await turns()
            assert (worker.runner.api_answers, worker.runner.api_refuses) == (False, "PGRST202")
            assert refused() == before + 3
            replies.claim_error = DatabaseAway("claim_replies: 57014")
            await replies.until_asked(4)
            await turns()
            assert worker.runner.api_refuses is None

    actions = [line["action"] for line in lines if line["log_level"] == "warning"]
    assert actions == ["claim_refused", "claim_failed"]


def gaps(moments):
    return [after - before for before, after in itertools.pairwise(moments)]


async def test_after_a_failed_claim_it_backs_off_by_the_clock_whatever_it_hears():
    replies = FakeReplies()
    async with running(replies, FakeAnswerer()) as worker:

        async def all_the_time():
            worker.wakeup.hear()

        replies.claim_error, replies.on_claim = DatabaseAway("claim_replies: ReadTimeout"), all_the_time
        await replies.until_asked(6)
        replies.claim_error = replies.on_claim = None

    for number, gap in enumerate(gaps(replies.asked_at)[:5]):
        assert gap >= 0.7 * 0.01 * 2**number


async def test_it_waits_as_long_as_the_api_wishes():
    replies = FakeReplies()
    replies.claim_error = DatabaseAway("claim_replies: HTTP 429 without a code", retry_after=0.3)
    async with running(replies, FakeAnswerer()):
        await replies.until_asked(2)

    assert gaps(replies.asked_at)[0] >= 0.3


async def test_it_stops_while_it_backs_off():
    replies = FakeReplies()
    replies.claim_error = DatabaseAway("claim_replies: HTTP 429 without a code", retry_after=60.0)
    async with running(replies, FakeAnswerer()):
        await replies.until_asked(1)


async def test_rows_that_raise_are_counted_and_told():
    def left():
        return metrics.REGISTRY.get_sample_value("postbro_refused_rows_total", {"fate": "left"})

    before = left()
    replies = FakeReplies()
    replies.refused = {"left": 2}
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)
            await turns()
            assert left() == before + 2

    assert [(line["fate"], line["count"]) for line in lines if line["action"] == "row_refused"] == [("left", 2)]


async def test_a_lost_lease_cancels_its_task_and_no_other():
    lost, kept = claim_of("lost"), claim_of("kept")
    replies, answerer = FakeReplies(lost, kept), FakeAnswerer()
    async with running(replies, answerer):
        await answerer.until(lambda: len(answerer.begun) == 2)
        replies.lost = [lost]
        await answerer.until(lambda: answerer.cancelled)

    assert (answerer.cancelled, answerer.ended) == (["lost"], ["kept"])


async def test_the_call_of_a_lost_lease_is_closed_and_a_claim_that_made_none_is_not():
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
def boottime(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(lease_module, "now", clock)
    return clock


async def test_past_its_lease_it_claims_nothing_and_what_is_under_way_goes_on(boottime):
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


async def test_when_its_lease_holds_again_it_claims_and_no_wake_up_was_missed(boottime):
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


async def test_a_worker_that_is_full_knows_that_the_api_answers_again(boottime):
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


async def test_within_the_lease_an_outage_costs_nothing():
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    replies.beat_error = DatabaseAway("beat: ReadTimeout")
    async with running(replies, answerer):
        await replies.until_beaten(3)
        assert answerer.cancelled == []

    assert answerer.ended == ["m1"]


async def test_a_buried_worker_gives_all_up_and_claims_under_a_fresh_id():
    replies, answerer = FakeReplies(claim_of("m1"), claim_of("m2")), FakeAnswerer()
    async with running(replies, answerer):
        await answerer.until(lambda: len(answerer.begun) == 2)
        asked = len(replies.asked)
        replies.is_alive = False
        await answerer.until(lambda: len(answerer.cancelled) == 2)
        await replies.until_asked(asked + 1)

    assert answerer.ended == []
    assert replies.worker_id == "w1'"
    assert replies.events.count("register") == 2
    assert replies.numbers[asked] == 1


async def test_a_claim_of_a_worker_that_is_not_known_is_made_again_after_the_next_beat():
    """The database has not heard it for a moment: that beat says it lives, or that it was buried."""
    replies, answerer = FakeReplies(), FakeAnswerer()
    replies.is_known = False
    async with running(replies, answerer):
        await replies.until_asked(1)
        replies.is_known = True
        replies.waiting.append(claim_of("m1"))
        await answerer.until(lambda: answerer.begun == ["m1"])


async def test_a_claim_is_known_only_when_what_it_brought_is_held():
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()

    async def beats_go_on():
        replies.on_claim = None
        await replies.until_beaten(2)

    replies.on_claim = beats_go_on
    async with running(replies, answerer):
        await replies.until_beaten(2)
        await answerer.until(lambda: answerer.begun)
        await replies.until_beaten()
        assert replies.beats[0].known == 0
        assert replies.beats[-1] == SimpleNamespace(held=["m1"], known=len(replies.asked))
        assert all("m1" in beat.held for beat in replies.beats if beat.known)


async def test_a_claim_whose_answer_is_lost_is_named_as_known_and_so_goes_back():
    replies = FakeReplies()
    replies.claim_error = DatabaseAway("claim_replies: ReadTimeout", retry_after=60.0)
    async with running(replies, FakeAnswerer()):
        await replies.until_asked(1)
        await replies.until(lambda: replies.beats and replies.beats[-1].known == 1)

    assert replies.beats[-1].held == []


async def test_drafts_are_saved_as_the_answer_grows(monkeypatch):
    monkeypatch.setattr(runner_module, "DRAFT_SECONDS", 0.01)
    claim = claim_of("m1")
    replies, answerer = FakeReplies(claim), FakeAnswerer()
    async with running(replies, answerer):
        await answerer.until(lambda: answerer.begun)
        claim.text = "x" * 600
        await replies.until(lambda: replies.drafts)

    assert replies.drafts[0] == ["m1"]


async def test_what_the_reconciler_finds_is_told_and_it_goes_on_while_there_is_more():
    before = metrics.REGISTRY.get_sample_value("postbro_queue_mended_total")
    replies = FakeReplies()
    replies.found = [
        {"mended": 20, "ended": 0, "more": True},
        {"mended": 1, "ended": 3, "more": False},
        {"mended": 99, "ended": 99, "more": True},
    ]
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until(lambda: replies.events.count("reconcile") == 2)
            await turns()
            assert replies.events.count("reconcile") == 2

    assert metrics.REGISTRY.get_sample_value("postbro_queue_mended_total") == before + 21
    told = [(line["action"], line["count"]) for line in lines if "count" in line]
    assert told == [("mended", 20), ("mended", 1), ("waited_too_long", 3)]


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
    assert [failed[:3] for failed in replies.failed] == [("m1", "internal", None), ("m2", "internal", None)]


async def test_a_defect_in_an_answer_is_counted_as_dropped_and_its_call_is_told():
    def dropped():
        return metrics.REGISTRY.get_sample_value("postbro_replies_total", {"outcome": "dropped"})

    before, claim = dropped(), claim_of("m1")
    claim.call = Call("chat-1", "first", prompt_tokens=7)
    replies, answerer = FakeReplies(claim), FakeAnswerer()
    answerer.error = ValueError("x")
    answerer.may_end.set()
    async with running(replies, answerer):
        await answerer.until(lambda: answerer.begun and not answerer.under_way)

    assert dropped() == before + 1
    assert replies.failed[0][3].prompt_tokens == 7


async def test_an_outage_longer_than_any_answer_is_offered_fails_no_question():
    """It is not held any more, so the next beat that comes through gives it back."""
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    answerer.error = DatabaseAway("complete_reply: PGRST002")
    answerer.may_end.set()
    with capture_logs() as lines:
        async with running(replies, answerer):
            await answerer.until(lambda: answerer.begun and not answerer.under_way)

    assert replies.failed == []
    [line] = [line for line in lines if line["action"] == "answer_given_up"]
    assert (line["message_id"], line["reason"]) == ("m1", "complete_reply: PGRST002")


async def test_what_was_refused_is_failed_without_the_figures_that_may_be_the_reason():
    claim = claim_of("m1")
    claim.call = Call("chat-1", "first", prompt_tokens=7)
    replies, answerer = FakeReplies(claim), FakeAnswerer()
    answerer.error = DatabaseRefused("next_attempt: 22003", "22003")
    answerer.may_end.set()
    async with running(replies, answerer):
        await answerer.until(lambda: answerer.begun and not answerer.under_way)

    [(_, code, retry_in, call)] = replies.failed
    assert (code, retry_in, call) == ("internal", None, Call("chat-1", "first"))


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


async def test_a_claim_that_hangs_does_not_keep_it_from_stopping():
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await answerer.until(lambda: answerer.begun)
        hangs = asyncio.Event()

        async def hang():
            hangs.set()
            await asyncio.Event().wait()

        replies.on_claim = hang
        replies.waiting.append(claim_of("m2"))
        worker.wakeup.hear()
        await asyncio.wait_for(hangs.wait(), BOUND)
        worker.runner.stop()
        answerer.may_end.set()
        await asyncio.wait_for(asyncio.shield(worker.task), BOUND)

    # What it may have brought goes back: the last beats know of this claim, and hold nothing of it.
    assert (answerer.ended, replies.released) == (["m1"], 1)


async def test_the_calls_of_what_is_cut_off_are_closed_when_their_claims_are_released():
    """Before, they would count as failed calls of questions that are asked again."""
    asked, unasked = claim_of("asked"), claim_of("unasked")
    asked.call, unasked.call = Call("v1", "a-model"), Call("v1")
    replies, answerer = FakeReplies(asked, unasked), FakeAnswerer()
    async with running(replies, answerer, shutdown_grace_seconds=0.01) as worker:
        await answerer.until(lambda: len(answerer.begun) == 2)
        worker.runner.stop()
        await asyncio.wait_for(asyncio.shield(worker.task), BOUND)

    assert [(name, call) for name, _, _, call in replies.failed] == [("asked", asked.call)]
    assert replies.events.index("release") < replies.events.index("fail")


async def test_the_call_of_a_claim_that_was_lost_and_cut_off_is_closed_once():
    claim = claim_of("m1")
    claim.call = Call("v1", "a-model")
    replies, answerer = FakeReplies(), FakeAnswerer()
    answering = Answering(replies, answerer, BOUND, lambda: None)
    answering.start(claim, None)
    await answerer.until(lambda: answerer.begun)

    answering.give_up([claim])
    await answering.drain(0.0)
    await answering.close_calls()

    assert [(name, call) for name, _, _, call in replies.failed] == [("m1", claim.call)]


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


async def test_what_is_locked_just_now_is_released_later():
    replies = FakeReplies()
    replies.left = [3, 2, 0]
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)

    assert replies.released == 3
    assert (lines[-1]["action"], lines[-1]["released"]) == ("stopped", 3)


async def test_and_not_for_ever():
    replies = FakeReplies()
    replies.left = [1]
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)

    assert replies.released > 1
    assert (lines[-1]["action"], lines[-1]["reason"]) == ("release_failed", "locked by somebody else")


@pytest.mark.parametrize(
    ("error", "is_asked_again"),
    [(DatabaseAway("release_replies: 55P03"), True), (DatabaseRefused("release_replies: 42883", "42883"), False)],
)
async def test_a_release_that_fails_does_not_keep_it_from_stopping(error, is_asked_again):
    replies = FakeReplies()
    replies.release_error = error
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)

    assert (replies.released > 1) is is_asked_again
    assert (lines[-1]["action"], lines[-1]["reason"]) == ("release_failed", str(error))


async def test_a_release_that_hangs_is_given_up():
    replies = FakeReplies()
    replies.release = asyncio.Event().wait
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)

    assert (lines[-1]["action"], lines[-1]["reason"]) == ("release_failed", "no answer in time")


async def test_after_the_release_it_shows_no_more_that_it_lives(monkeypatch):
    """A beat would find the worker gone, and register another for nothing."""
    monkeypatch.setattr(runner_module, "RELEASE_PAUSE_SECONDS", 0.05)
    replies = FakeReplies()
    replies.freed, replies.left = 0, [1, 1, 0]
    async with running(replies, FakeAnswerer()):
        await replies.until_beaten()

    first = replies.events.index("release")
    assert replies.events[first:] == ["release"] * 3


@pytest.mark.parametrize("error", [ValueError("sentinel"), asyncio.CancelledError()])
async def test_a_worker_that_dies_releases_first(error):
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    wakeup = WakeUp(settings_of())
    runner = Runner(settings_of(), replies, wakeup, answerer, FakeAdmission())
    task = asyncio.create_task(runner.run())
    await answerer.until(lambda: answerer.begun)
    await turns()
    if isinstance(error, asyncio.CancelledError):
        task.cancel()
    else:
        replies.claim_error = error
        wakeup.hear()
    with pytest.raises(type(error)):
        await asyncio.wait_for(task, BOUND)

    assert answerer.cancelled == ["m1"]
    assert replies.events[-1] == "release"


async def test_so_does_one_whose_upkeep_dies(monkeypatch):
    """None of its tasks may end unseen: a worker that shows no life loses what it answers."""

    async def dies(name, *_, **__):
        if name == "beat":
            raise ValueError("sentinel")
        await asyncio.Event().wait()

    monkeypatch.setattr(runner_module, "repeat", dies)
    replies = FakeReplies()
    runner = Runner(settings_of(), replies, WakeUp(settings_of()), FakeAnswerer(), FakeAdmission())
    with pytest.raises(ValueError, match="sentinel"):
        await asyncio.wait_for(runner.run(), BOUND)

    assert replies.released == 1


def causes():
    """What led to the claims so far, and what they found."""
    return {
        (sample.labels["cause"], sample.labels["found"]): sample.value
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
        if sample.name == "postbro_claims_total"
    }


async def test_a_wake_up_that_found_nothing_is_no_reason_to_look_again():
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
