"""Repeats a task as long as the worker runs. Errors are logged and do not end it."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from worker.errors import DatabaseAway, DatabaseError, DatabaseRefused
from worker.telemetry import logs, metrics

log = structlog.get_logger()

MOMENT_SECONDS = 0.1


async def repeat(
    name: str,
    step: Callable[[], Awaitable[None]],
    seconds: float,
    bound: float | None = None,
    hurry: asyncio.Event | None = None,
    longest: float = 0.0,
) -> None:
    """Call `step` until cancelled: `seconds` after the start of the last one, or soon after `hurry` is set. A step
    that takes longer than `bound` is cancelled. While the API is away, the pause grows up to `longest`.

    An API that is away or refuses is logged once until it answers. Any other exception is a defect: it is logged with
    its class each time and counted.
    """
    told: type[Exception] | None = None
    failures = 0
    while True:
        started = time.monotonic()
        try:
            async with asyncio.timeout(bound):
                await step()
            told, failures = None, 0
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
            told, failures = kind, failures + 1
        except Exception as error:
            metrics.TASK_ERRORS.labels(name).inc()
            log.error("A task failed; it will be repeated.", action="task_failed", task=name, **logs.describe(error))
        await _rest(_pause(seconds, longest, failures) - (time.monotonic() - started), hurry)


def _pause(seconds: float, longest: float, failures: int) -> float:
    """Random after a failure, so that workers do not call the API at the same time."""
    if not failures or longest <= seconds:
        return seconds
    return min(longest, seconds * 2.0 ** min(failures, 10)) * random.uniform(0.7, 1.0)  # noqa: S311


async def _rest(seconds: float, hurry: asyncio.Event | None) -> None:
    """Pause; several settings of `hurry` within MOMENT_SECONDS lead to one step."""
    await asyncio.sleep(min(MOMENT_SECONDS, max(0.0, seconds)) if hurry else max(MOMENT_SECONDS, seconds))
    if hurry is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds - MOMENT_SECONDS)):
                await hurry.wait()
        hurry.clear()
