"""The queue looked over, once a minute for the whole project: what contradicts itself, and what is too old."""

import structlog

from worker.database.replies import Replies
from worker.telemetry import metrics

log = structlog.get_logger()

MOST_SECONDS = 60.0
PARTS = 10
"""Where questions may wait only shortly, a tenth of that: so much later than its age may one be ended."""


class Reconciler:
    """`step` is to be repeated, twice in each of `seconds`; of all workers, one looks in each of them."""

    def __init__(self, replies: Replies, max_wait_seconds: float) -> None:
        self._replies = replies
        self._max_wait_seconds = max_wait_seconds
        self.seconds = min(MOST_SECONDS, max_wait_seconds / PARTS)

    async def step(self) -> None:
        """Raises DatabaseError."""
        while found := await self._replies.reconcile(self._max_wait_seconds, self.seconds):
            if found.get("mended"):
                metrics.MENDED.inc(found["mended"])
                log.error("The queue contradicted itself, and was mended.", action="mended", count=found["mended"])
            if found.get("ended"):
                log.warning("Replies have waited too long.", action="waited_too_long", count=found["ended"])
            if not found.get("more"):
                return
