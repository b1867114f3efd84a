"""Once a minute for the whole project: corrects contradictions in the queue, and ends replies that are too old."""

import structlog

from worker.database.replies import Replies
from worker.telemetry import metrics

log = structlog.get_logger()

MOST_SECONDS = 60.0
PARTS = 10
"""The interval is at most a tenth of the longest wait, so that replies do not end much later than that."""


class Reconciler:
    """Call `step` twice in `seconds`; in each of these intervals only one of all workers does the work."""

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
