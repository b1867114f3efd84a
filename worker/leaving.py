"""A process that was asked to stop ends within a bounded time, even if one of its threads hangs."""

import os
import threading

import structlog

log = structlog.get_logger()


def leave_within(seconds: float) -> None:
    """After so many seconds the process ends, with exit status 1, unless it has ended by then.

    Python itself waits for every thread that looks up a name, which nothing can cancel.
    """
    timer = threading.Timer(seconds, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    log.error("Something hangs while the worker stops: it is left behind.", action="left_hanging")
    os._exit(1)
