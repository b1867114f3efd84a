"""Measures the queue every ten seconds, for the metrics."""

import asyncio
import math
import random

import structlog

from worker.database.replies import Replies
from worker.errors import DatabaseError
from worker.telemetry import metrics

log = structlog.get_logger()

QUEUE_SECONDS = 10.0
QUEUE_CALL_SECONDS = 5.0


async def measure_queue(replies: Replies) -> None:
    """Runs until cancelled. A scrape reads the last measurement, or NaN after a failure, without a call."""
    told = False
    while True:
        pending = oldest = math.nan
        try:
            async with asyncio.timeout(QUEUE_CALL_SECONDS):
                queue = await replies.queue()
            pending, oldest = queue["pending"], queue["oldest_pending_seconds"] or 0
            told = False
        except (DatabaseError, TimeoutError) as error:
            if not told:
                log.warning("The queue was not measured.", action="queue_unknown", reason=str(error))
            told = True
        metrics.QUEUE_PENDING.set(pending)
        metrics.QUEUE_OLDEST.set(oldest)
        await asyncio.sleep(QUEUE_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
