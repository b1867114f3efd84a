"""The worker's loop: any of wake-up, due, sweep or stop; then claim; then answer, many at a time."""

import asyncio
import contextlib
import functools
import time
from typing import NamedTuple

import structlog

from worker import metrics
from worker.answer import Answerer
from worker.config import WorkerSettings
from worker.errors import DatabaseError
from worker.replies import Claim, Replies
from worker.wakeup import WakeUp

log = structlog.get_logger()

KEEP_SECONDS = 1.0
SECOND_LOOK_SECONDS = 0.25
"""After a wake-up that found nothing."""


class Next(NamedTuple):
    """The next claim comes after so many seconds, and for this cause, unless something is heard before."""

    seconds: float
    cause: str


class Runner:
    """Claims up to its free capacity, keeps the leases of what it holds, and drains when asked to stop."""

    def __init__(self, settings: WorkerSettings, replies: Replies, wakeup: WakeUp, answerer: Answerer) -> None:
        self._settings = settings
        self._replies = replies
        self._wakeup = wakeup
        self._answerer = answerer
        self._held: dict[asyncio.Task[None], Claim] = {}
        self._stop = asyncio.Event()
        self.api_answers: bool | None = None
        """None: it has not been asked yet."""
        self.api_changed_at = time.monotonic()
        """Since when it answers, or not."""

    def stop(self) -> None:
        """Claim no more; what is under way may finish within the grace period."""
        self._stop.set()
        self._wakeup.event.set()

    async def run(self) -> None:
        """Until stopped. Whatever happens on the way out, nothing stays claimed that could be released."""
        keeping = asyncio.create_task(self._keep_for_ever(), name="keep leases")
        try:
            cause = "start"
            while not self._stop.is_set():
                # Cleared before the claim: a wake-up that comes during it is heard after it.
                heard_at = self._wakeup.take()
                cause = await self._wait(await self._claim(cause, heard_at))
            await self._drain()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _claim(self, cause: str, heard_at: float | None) -> Next:
        """When to claim again at the latest."""
        sweep = self._sweep()
        free = self._settings.worker_concurrency - len(self._held)
        if free <= 0:
            return sweep
        count = functools.partial(metrics.CLAIMS.labels, cause)
        try:
            with metrics.CLAIM_DURATION.time():
                claims, next_due = await self._replies.claim(free)
        except DatabaseError as error:
            if self.api_answers is not False:
                log.warning("The API does not answer.", action="claim_failed", reason=str(error))
            self._api_is(False)
            count("error").inc()
            return Next(self._settings.degraded_sweep_seconds, "degraded_sweep")
        self._api_is(True)
        count("work" if claims else "nothing").inc()
        if claims and heard_at is not None:
            metrics.WAKEUP_TO_CLAIM.observe(time.monotonic() - heard_at)
        for claim in claims:
            self._start(claim)
        if not claims and heard_at is not None:
            # It was heard before its row could be seen, or the row was locked just then.
            sweep = min(sweep, Next(SECOND_LOOK_SECONDS, "second_look"))
        return sweep if next_due is None else min(sweep, Next(next_due, "due"))

    def _sweep(self) -> Next:
        if self._wakeup.subscribed:
            return Next(self._settings.sweep_seconds, "sweep")
        return Next(self._settings.degraded_sweep_seconds, "degraded_sweep")

    def _api_is(self, answering: bool) -> None:
        if answering is not self.api_answers:
            self.api_changed_at = time.monotonic()
        self.api_answers = answering
        metrics.API_ANSWERS.set(answering)

    def _start(self, claim: Claim) -> None:
        task = asyncio.create_task(self._answerer.answer(claim), name=f"answer {claim.message_id}")
        self._held[task] = claim
        metrics.REPLIES_IN_FLIGHT.set(len(self._held))
        task.add_done_callback(self._settled)

    def _settled(self, task: asyncio.Task[None]) -> None:
        claim = self._held.pop(task)
        metrics.REPLIES_IN_FLIGHT.set(len(self._held))
        if not task.cancelled() and (error := task.exception()) is not None:
            metrics.REPLIES.labels("dropped").inc()
            # The lease will run out, and the reply is claimed again, here or elsewhere.
            log.error(
                "A reply was dropped.",
                action="reply_dropped",
                **claim.ids,
                error=type(error).__name__,
                reason=str(error) if isinstance(error, DatabaseError) else None,
            )
        # A place is free, and the session may have a next question.
        self._wakeup.event.set()

    async def _wait(self, following: Next) -> str:
        """What led to the next claim."""
        # Here as everywhere asyncio.timeout: before Python 3.12, wait_for can swallow a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(following.seconds):
                await self._wakeup.event.wait()
                return "place" if self._wakeup.heard_at is None else "wakeup"
        return following.cause

    async def _keep_for_ever(self) -> None:
        while True:
            started = time.monotonic()
            await self._keep()
            await asyncio.sleep(max(0.0, KEEP_SECONDS - (time.monotonic() - started)))

    async def _keep(self) -> None:
        """Renew all leases in one call, and save the drafts in another."""
        claims = list(self._held.values())
        if not claims:
            return
        lost: list[Claim] = []
        # Bounded: while a call hangs, the clock of the leases goes on.
        bound = self._settings.lease_seconds / 3
        try:
            async with asyncio.timeout(bound):
                lost = await self._replies.renew(claims)
        except (DatabaseError, TimeoutError) as error:
            log.warning("Leases were not renewed.", action="renewal_failed", reason=str(error))
        now = time.monotonic()
        self._give_up({*lost, *(claim for claim in claims if claim.lease_until <= now)})
        try:
            async with asyncio.timeout(bound):
                await self._replies.save_drafts(list(self._held.values()))
        except (DatabaseError, TimeoutError) as error:
            log.warning("Drafts were not saved.", action="drafts_failed", reason=str(error))

    def _give_up(self, lost: set[Claim]) -> None:
        for task, claim in self._held.items():
            if claim in lost:
                log.warning("A lease was lost.", action="lease_lost", **claim.ids)
                metrics.LEASES_LOST.inc()
                task.cancel()

    async def _drain(self) -> None:
        log.info("Stopping.", action="drain", under_way=len(self._held))
        if self._held:
            await asyncio.wait(self._held, timeout=self._settings.shutdown_grace_seconds)
        unfinished = list(self._held)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        try:
            released = await self._replies.release()
            log.info("Stopped.", action="stopped", released=released)
        except DatabaseError as error:
            log.warning("Nothing was released: leases will run out.", action="release_failed", reason=str(error))
