"""Requests that wait for an answer: how many may, and when they look."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worker.web.api import conversation
from worker.web.api.problems import Problem
from worker.web.api.project import Caller, Row

FIRST_PAUSE = 0.15  # seconds between two looks, at first
LONGEST_PAUSE = 1.0  # drafts are saved about once a second
RESERVE = 8  # threads that never wait: for health, the page and short requests


class Places:
    """As many requests may wait as leave a reserve of threads for everybody else."""

    def __init__(self, threads: int) -> None:
        self._free = threading.BoundedSemaphore(max(1, threads - RESERVE))

    def take(self) -> None:
        """Raises Problem if all are taken. Whoever takes one gives it back."""
        if not self._free.acquire(blocking=False):
            raise Problem(
                503,
                "too_many_waiting",
                "Too many requests are waiting for answers. Try again, or send Prefer: respond-async.",
                headers={"Retry-After": "5"},
            )

    def give_back(self) -> None:
        self._free.release()

    @contextmanager
    def place(self) -> Iterator[None]:
        self.take()
        try:
            yield
        finally:
            self.give_back()


def looks(caller: Caller, message_id: str, seconds: float, is_gone: Callable[[], bool]) -> Iterator[Row]:
    """The turn, again and again, until its reply is over, time is up, or the client has gone."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE
    while True:
        row = conversation.turn(caller, message_id)
        if row is None:
            return  # deleted meanwhile
        yield row
        left = deadline - time.monotonic()
        if not conversation.is_under_way(row) or left <= 0 or is_gone():
            return
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE)
