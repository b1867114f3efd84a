"""Ends a stopping process within a bounded time, even if one of its threads hangs."""

import os
import threading

import structlog

log = structlog.get_logger()


def leave_within(seconds: float) -> None:
    """End the process with exit status 1 if it still runs after so many seconds.

    Python waits at exit for threads that look up a host name, which cannot be cancelled.
    """
    timer = threading.Timer(seconds, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    log.error(
        "The worker did not stop in time: a thread hangs, and the process ends without it.", action="left_hanging"
    )
    os._exit(1)
