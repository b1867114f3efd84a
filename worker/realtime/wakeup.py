"""Receives wake-ups, and judges whether they are reliable. Without them the worker finds all questions, but later."""

import asyncio
import math
import random
import time
from typing import Literal

import structlog

from worker.config import WorkerSettings
from worker.realtime.subscription import listen
from worker.telemetry import metrics

log = structlog.get_logger()

BACKOFF_SECONDS = (1.0, 2.0, 5.0)
LATE_SECONDS = 1.0
"""A wake-up that has not arrived within this time is taken for lost."""
MOST_MISSED = 2
"""Missed wake-ups in a row from which on they do not count as reliable; a single one may have been late."""

State = Literal["away", "starting", "unreliable", "well"]
"""away: not subscribed. starting: subscribed, but Realtime does not read the database yet. unreliable: subscribed,
but questions are found for which no wake-up arrived. well: wake-ups arrive."""


class WakeUp:
    """`event` is set at every wake-up, and after every subscription, since earlier wake-ups may have been missed."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.event = asyncio.Event()
        self.heard_at: float | None = None
        """When the first wake-up since the last `take` arrived, by the monotonic clock; None: there was none."""
        self.subscribed = False
        self.flows = False
        """Whether Realtime delivers the database's broadcasts: it has reported so, or a wake-up has arrived."""
        self.missed = 0
        """Number of claims since the last wake-up that found a question whose wake-up was missing."""
        self.changed_at = time.monotonic()
        """When `state` last changed, by the monotonic clock."""
        self.refused_with = ""
        """Realtime's code for refusing the subscription; empty if it is not known."""
        self._told: State = "away"
        self._relied_on_since = self._last_heard_at = -math.inf
        self._ended = asyncio.Event()
        """Set to end the subscription and make another."""
        self._url = f"{settings.supabase_url.rstrip('/')}/realtime/v1"
        self._key = settings.supabase_secret_key.get_secret_value()

    @property
    def state(self) -> State:
        """For any thread."""
        if not self.subscribed:
            return "away"
        if self.missed >= MOST_MISSED:
            return "unreliable"
        return "well" if self.flows else "starting"

    def hear(self) -> None:
        """A wake-up has arrived."""
        metrics.WAKEUPS.inc()
        self._last_heard_at = time.monotonic()
        if self.heard_at is None:
            self.heard_at = self._last_heard_at
        self.missed = 0
        self._flow()
        self.event.set()

    def refused(self, code: str) -> None:
        self.refused_with = code

    def joined(self) -> None:
        self.subscribed, self.refused_with = True, ""
        self._note()
        self.event.set()
        log.info("Subscribed to wake-ups.", action="wakeup_subscribed")

    def flow(self) -> None:
        """From now on wake-ups arrive. Earlier ones may have been lost, so set the event for a claim."""
        if not self.flows:
            self._flow()
            self.event.set()

    def found(self, asked_at: float, waited_seconds: float) -> None:
        """A claim at `asked_at` has found a new question that had been due for `waited_seconds`."""
        due_at = asked_at - waited_seconds
        is_told_of = self._last_heard_at > due_at - LATE_SECONDS
        if waited_seconds < LATE_SECONDS or is_told_of or not self.flows or due_at < self._relied_on_since:
            return
        self.missed += 1
        metrics.WAKEUPS_MISSED.inc()
        self._note()
        # After 2, 4, 8 …: a new subscription may receive them; if none are sent, it does not help.
        if self.missed >= MOST_MISSED and self.missed & (self.missed - 1) == 0:
            log.warning(
                "Questions were found without a wake-up: subscribing again.",
                action="wakeup_missed",
                count=self.missed,
            )
            self._ended.set()

    def take(self) -> float | None:
        """Clear the event; return `heard_at` and reset it."""
        heard_at, self.heard_at = self.heard_at, None
        self.event.clear()
        return heard_at

    async def run(self) -> None:
        """Subscribe, watch, and subscribe again when the subscription is lost."""
        failures = 0
        while True:
            self._ended.clear()
            try:
                await listen(self._url, self._key, self, self._ended)
            except Exception as error:  # of any kind, since otherwise no wake-up would arrive any more
                log.warning("Realtime cannot be reached.", action="wakeup_failed", error=type(error).__name__)
            if self.subscribed:
                failures = 0
                log.warning("The Realtime subscription is lost.", action="wakeup_lost", reason=self.refused_with)
                # The next sweep was scheduled by the slow interval: now the fast one applies.
                self.event.set()
            self.subscribed = self.flows = False
            self._note()
            pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            failures += 1

    def _flow(self) -> None:
        if not self.flows:
            self.flows = True
            self._relied_on_since = time.monotonic()
        self._note()

    def _note(self) -> None:
        if self.state != self._told:
            self._told, self.changed_at = self.state, time.monotonic()
        metrics.SUBSCRIBED.set(self.subscribed)
        metrics.WAKEUPS_ARRIVE.set(self.state == "well")
