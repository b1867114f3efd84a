"""This worker's registration in the database: renewed by a beat each second, lost after too long without one."""

import asyncio
import time
from collections.abc import Callable

import structlog

from worker import __version__
from worker.claim import Claim
from worker.config import WorkerSettings
from worker.database.replies import Replies
from worker.errors import DatabaseRefused
from worker.model.admission import Admission
from worker.telemetry import logs, metrics

log = structlog.get_logger()


def now() -> float:
    """Seconds, by a clock that also runs while the machine is suspended, as the database's does."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Lease:
    """Call `step` each second; `holds`: whether claims and calls may begin.

    `held` returns the claims in progress; `give_up` cancels the work on lost claims. After its lease has ended, a
    worker claims nothing and begins no call. A call in progress goes on: perhaps no other worker takes over its
    reply, and if one does, the fence decides whose answer is stored.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        replies: Replies,
        admission: Admission,
        held: Callable[[], list[Claim]],
        give_up: Callable[[list[Claim]], None],
    ) -> None:
        self._settings = settings
        self._replies = replies
        self._admission = admission
        self._held = held
        self._give_up = give_up
        self._until = 0.0
        self._is_registered = False
        self._claims = 0
        self._claims_known = 0
        self.workers = 1
        """Number of live workers, by the last beat."""
        self.changed = asyncio.Event()
        """Set when the lease holds again."""
        self.refused: str | None = None
        """The code with which the database refused the last step, which is a defect; None: it did not."""
        self.hurry = asyncio.Event()
        """Set when a call begins, for an early beat that names its model: so it is in the ledger even if we die."""

    @property
    def holds(self) -> bool:
        """Whether claims and calls may begin."""
        return self._is_registered and now() < self._until

    def next_claim(self) -> int:
        """The number for the next claim."""
        self._claims += 1
        return self._claims

    def know(self, claim: int) -> None:
        """The result of this claim has arrived and its replies are held, or this worker waits for it no longer."""
        if claim <= self._claims:  # else it belongs to an earlier registration
            self._claims_known = max(self._claims_known, claim)

    async def step(self) -> None:
        """Register, or send a beat. Raises DatabaseError."""
        asked_at, held_before = now(), self.holds
        try:
            workers = await (self._beat() if self._is_registered else self._register())
        except DatabaseRefused as error:
            self.refused = error.code or str(error)
            raise
        self.refused = None
        if workers is None:
            self._lose_everything()
            return
        self._until = asked_at + self._settings.lease_seconds
        self.workers = max(1, workers)
        self._admission.set_workers(self.workers)
        metrics.WORKERS.set(workers)
        if not held_before:
            self.changed.set()

    async def _register(self) -> int:
        workers = await self._replies.register(__version__, self._settings.worker_concurrency)
        self._is_registered = True
        log.info("Registered.", action="registered", workers=workers)
        return workers

    async def _beat(self) -> int | None:
        """The number of live workers; None: this one was buried."""
        beaten = await self._replies.beat(self._held(), self._claims_known, self._admission.opens_in())
        self._give_up(beaten.lost)
        return beaten.workers if beaten.alive else None

    def _lose_everything(self) -> None:
        """The database took this worker for dead and freed its replies. The next step registers it again."""
        log.warning("Taken for dead after a silence: registering anew.", action="buried", held=len(self._held()))
        self._is_registered = False
        self._claims = self._claims_known = 0
        self._give_up(self._held())
        self._replies.begin_anew()
        logs.identify(self._replies.worker_id)
