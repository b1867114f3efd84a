"""The worker's loop: wait for a wake-up, a due reply, a sweep or the stop; claim; answer many at a time."""

import asyncio
import contextlib
import random
import time
from typing import NamedTuple

import structlog

from worker.answer import Answerer
from worker.answering import Answering
from worker.config import WorkerSettings
from worker.database.replies import Claimed, Replies
from worker.errors import DatabaseAway, DatabaseError, DatabaseRefused
from worker.lease import Lease
from worker.model.admission import Admission
from worker.realtime.wakeup import WakeUp
from worker.telemetry import metrics
from worker.upkeep.drafts import DraftSaver
from worker.upkeep.reconciler import Reconciler
from worker.upkeep.tasks import repeat

log = structlog.get_logger()

BEAT_SECONDS = 1.0
DRAFT_SECONDS = 0.5
MOST_CLAIMED = 20
"""Replies of one claim, the database's limit. If there is capacity for more, the next claim follows at once."""
COALESCE_SECONDS = 0.05
"""Wake-ups within this time lead to one claim. The time is random, so that not all workers claim at once."""
SECOND_LOOK_SECONDS = 0.25
"""Realtime reads the write-ahead log, and may send a wake-up shortly before its row is visible. So after a wake-up
that found nothing, one of all workers on average claims again."""
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.5, 15.0
RELEASE_SECONDS, RELEASE_PAUSE_SECONDS = 5.0, 0.2
"""How long a worker that stops repeats the release of rows that are locked. The rest is freed when its lease ends."""


class Next(NamedTuple):
    """When to claim next, and why. `may_be_woken`: a wake-up may come earlier; not after a failed claim."""

    seconds: float
    cause: str
    may_be_woken: bool = True


def _spread(seconds: float) -> float:
    return seconds * random.uniform(0.7, 1)  # noqa: S311


class Runner:
    """Claims as many replies as it has capacity for while a model may be asked; drains after `stop`."""

    def __init__(
        self,
        settings: WorkerSettings,
        replies: Replies,
        wakeup: WakeUp,
        answerer: Answerer,
        admission: Admission,
    ) -> None:
        self._settings = settings
        self._replies = replies
        self._wakeup = wakeup
        self._admission = admission
        self._answering = Answering(replies, answerer, settings.lease_seconds, wakeup.event.set)
        self._lease = Lease(settings, replies, admission, self._answering.claims, self._answering.give_up)
        self._drafts = DraftSaver(replies, self._answering.claims)
        self._reconciler = Reconciler(replies, settings.reply_max_wait_seconds)
        self._stop = asyncio.Event()
        self._failures = 0
        self.api_answers: bool | None = None
        """Whether the API answers; None: it has not been called yet."""
        self.api_refuses: str | None = None
        """The code with which the last claim was refused, which is a defect; None: it was not."""
        self.api_changed_at = time.monotonic()
        """Since when it answers, refuses or is away, by the monotonic clock."""

    def stop(self) -> None:
        """Claim no more; answers in progress may finish within the grace period."""
        self._stop.set()
        self._wakeup.event.set()

    async def run(self) -> None:
        """Run until stopped. Releases all claims at the end, also after an error."""
        lease_seconds = self._settings.lease_seconds
        upkeep = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("beat", repeat("beat", self._lease.step, BEAT_SECONDS, self._beat_bound, self._lease.hurry)),
                ("drafts", repeat("drafts", self._drafts.step, DRAFT_SECONDS, lease_seconds, longest=lease_seconds)),
                ("reconciler", repeat("reconciler", self._reconciler.step, self._reconciler.seconds / 2)),
            )
        ]
        claiming = asyncio.create_task(self._claim_until_stopped(), name="claims")
        # Not waited for at a stop, since the API may hang. Replies that it still claims go back with a beat.
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait({claiming, stopped, *upkeep}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # raises the error that ended it, which ends the worker
        finally:
            claiming.cancel()
            stopped.cancel()
            await asyncio.gather(claiming, stopped, return_exceptions=True)
            try:
                await self._answering.drain(self._settings.shutdown_grace_seconds if self._stop.is_set() else 0.0)
            finally:
                # Stopped before the release: a later beat would find this worker unregistered, and register it again.
                for task in upkeep:
                    task.cancel()
                await asyncio.gather(*upkeep, return_exceptions=True)
                await self._release()
                await self._answering.close_calls()

    async def _claim_until_stopped(self) -> None:
        cause = "start"
        while not self._stop.is_set():
            # Cleared before the claim: a wake-up that comes during it leads to the next claim.
            heard_at = self._wakeup.take()
            cause = await self._wait(await self._claim(cause, heard_at))

    async def _claim(self, cause: str, heard_at: float | None) -> Next:
        """Claim, and return when to claim again at the latest."""
        self._lease.changed.clear()
        if not self._lease.holds:
            self._api_is(False, self._lease.refused)
            return Next(_spread(self._settings.degraded_sweep_seconds), cause)
        if not self._failures:
            self._api_is(True)  # it has answered the beat; a full worker does not claim, which would also show it
        free = min(self._settings.worker_concurrency - len(self._answering.claims()), MOST_CLAIMED)
        if free <= 0:
            return self._sweep()
        wanted = self._admission.capacity(free)
        if wanted <= 0:
            # Without a model to ask, nothing is claimed: other workers may be able to, and the queue keeps its order.
            return min(self._sweep(), Next(self._admission.opens_in() + random.uniform(0, 0.1), "admission"))  # noqa: S311
        number, asked_at = self._lease.next_claim(), time.monotonic()
        try:
            with metrics.CLAIM_DURATION.time():
                claimed = await self._replies.claim(number, wanted)
        except DatabaseError as error:
            return self._after_failure(error, cause)
        finally:
            # Answered, or given up: replies that it may have claimed go back with the next beat.
            self._lease.know(number)
        # Only first attempts: for a postponed reply no wake-up is sent.
        if new := [claim.reply.waiting_ms / 1000 for claim in claimed.claims if claim.attempt == 1]:
            self._wakeup.found(asked_at, max(new))
        return self._take(claimed, cause, wanted, heard_at)

    def _take(self, claimed: Claimed, cause: str, wanted: int, heard_at: float | None) -> Next:
        self._api_is(True)
        metrics.CLAIMS.labels(cause, "work" if claimed.claims else "nothing").inc()
        for claim in claimed.claims:
            self._answering.start(claim, self._lease)
        for fate, number in claimed.refused.items():
            metrics.REFUSED_ROWS.labels(fate).inc(number)
            log.error("The database raises an error for replies.", action="row_refused", fate=fate, count=number)
        if claimed.claims and heard_at is not None:
            metrics.WAKEUP_TO_CLAIM.observe(time.monotonic() - heard_at)
        if not claimed.alive:
            return Next(BEAT_SECONDS, cause)
        if claimed.unreadable or len(claimed.claims) >= wanted:
            return Next(0.0, "more")
        sweep, due = self._sweep(), claimed.next_due_seconds
        if not claimed.claims and heard_at is not None and random.random() < 1 / self._lease.workers:  # noqa: S311
            sweep = min(sweep, Next(SECOND_LOOK_SECONDS, "second_look"))
        return sweep if due is None else min(sweep, Next(due, "due"))

    def _after_failure(self, error: DatabaseError, cause: str) -> Next:
        refused = error.code or str(error) if isinstance(error, DatabaseRefused) else None
        if not self._failures or self.api_refuses != refused:
            log.warning(
                "The database refuses the claim: this is a defect, or another version of the schema."
                if refused
                else "The API does not answer.",
                action="claim_refused" if refused else "claim_failed",
                reason=str(error),
            )
        self._api_is(False, refused)
        metrics.CLAIMS.labels(cause, "refused" if refused else "error").inc()
        self._failures += 1
        pause = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(self._failures - 1, 10))
        wish = (error.retry_after if isinstance(error, DatabaseAway) else None) or 0.0
        seconds = max(pause * random.uniform(0.7, 1.3), wish * random.uniform(1.0, 1.3))  # noqa: S311
        return Next(seconds, "degraded_sweep", may_be_woken=False)

    def _sweep(self) -> Next:
        """The next sweep, at a random moment: workers that were started together do not claim at the same time."""
        if self._wakeup.state == "well":
            return Next(_spread(self._settings.sweep_seconds), "sweep")
        return Next(_spread(self._settings.degraded_sweep_seconds), "degraded_sweep")

    def _api_is(self, answering: bool, refuses: str | None = None) -> None:
        if answering is not self.api_answers or refuses != self.api_refuses:
            self.api_changed_at = time.monotonic()
        if answering:
            self._failures = 0
        self.api_answers, self.api_refuses = answering, refuses
        metrics.API_ANSWERS.set(answering)

    async def _wait(self, following: Next) -> str:
        """Wait; return the cause of the next claim."""
        if not following.may_be_woken:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(following.seconds):
                    await self._stop.wait()
            return following.cause
        # Here as everywhere asyncio.timeout: before Python 3.12, wait_for can swallow a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(following.seconds):
                if not await self._is_woken():
                    return "start"
            if self._wakeup.heard_at is None:
                return "place"
            await asyncio.sleep(random.uniform(0, COALESCE_SECONDS))  # noqa: S311
            return "wakeup"
        return following.cause

    async def _is_woken(self) -> bool:
        """Wait for a wake-up or free capacity (True), or until the lease holds again (False)."""
        waits = [
            asyncio.create_task(self._wakeup.event.wait(), name="wait for a wake-up"),
            asyncio.create_task(self._lease.changed.wait(), name="wait for the lease"),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return self._wakeup.event.is_set()
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            self._lease.changed.clear()

    @property
    def _beat_bound(self) -> float:
        """Timeout of a beat in seconds, since the lease runs out while it hangs."""
        return self._settings.lease_seconds / 3

    async def _release(self) -> None:
        """Release all claims; repeated for RELEASE_SECONDS while some are locked or the API is away."""
        released, left, reason = 0, 1, "no answer in time"
        with contextlib.suppress(TimeoutError, DatabaseRefused):
            async with asyncio.timeout(RELEASE_SECONDS):
                while left:
                    freed = 0
                    try:
                        freed, left = await self._replies.release()
                        reason = "locked by somebody else"
                    except DatabaseError as error:
                        reason = str(error)
                        if isinstance(error, DatabaseRefused):
                            raise
                    released += freed
                    await asyncio.sleep(0 if freed or not left else _spread(RELEASE_PAUSE_SECONDS))
        if left:
            log.warning(
                "Not all was released: the lease will run out.",
                action="release_failed",
                released=released,
                reason=reason,
            )
        else:
            log.info("Stopped.", action="stopped", released=released)
