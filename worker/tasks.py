"""Work that is repeated as long as the worker lives. No error ends it unseen."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog

from worker import logs, metrics
from worker.errors import DatabaseAway, DatabaseError, DatabaseRefused

log = structlog.get_logger()

MOMENT_SECONDS = 0.1


async def repeat(
    name: str,
    step: Callable[[], Awaitable[None]],
    seconds: float,
    bound: float | None = None,
    hurry: asyncio.Event | None = None,
) -> None:
    """For ever: `step`, and again `seconds` after its beginning, or soon after `hurry` is set. One that takes longer
    than `bound` is given up.

    An API that is away or refuses is logged once, until it answers. Any other error is a defect: it is logged with
    its kind each time, counted, and the work goes on.
    """
    told: type[Exception] | None = None
    while True:
        started = time.monotonic()
        try:
            async with asyncio.timeout(bound):
                await step()
            told = None
        except (DatabaseError, TimeoutError) as error:
            kind = DatabaseRefused if isinstance(error, DatabaseRefused) else DatabaseAway
            if told is not kind:
                log.warning(
                    "The database refuses a task: this is a defect, or another version of the schema."
                    if kind is DatabaseRefused
                    else "The API does not answer.",
                    action="task_refused" if kind is DatabaseRefused else "api_away",
                    task=name,
                    reason=str(error) or "no answer in time",
                )
            told = kind
        except Exception as error:
            metrics.TASK_ERRORS.labels(name).inc()
            log.error("A task failed, and goes on.", action="task_failed", task=name, **logs.describe(error))
        await _rest(seconds - (time.monotonic() - started), hurry)


async def _rest(seconds: float, hurry: asyncio.Event | None) -> None:
    """What is hurried for within a moment is one step."""
    await asyncio.sleep(min(MOMENT_SECONDS, max(0.0, seconds)) if hurry else max(MOMENT_SECONDS, seconds))
    if hurry is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds - MOMENT_SECONDS)):
                await hurry.wait()
        hurry.clear()
