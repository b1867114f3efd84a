"""Requests that wait for an answer: how many may, and when they look."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Self

from worker.web.api import conversation
from worker.web.api.conversation import TurnRow
from worker.web.api.problems import Problem
from worker.web.api.project import Caller

FIRST_PAUSE = 0.15  # seconds between two looks, at first
LONGEST_PAUSE = 1.0  # the answer may be stored at any time; a draft is saved every 500 characters, or every 3 s
NOT_WAITING = 8  # threads that never wait for an answer: for short requests, the page and health
NOT_ASKING = 4  # of these, threads that never ask the project, which may hang: for the page and health


class Places:
    """At most `count` requests do a thing at the same time; the others are refused with `code` and `detail`."""

    def __init__(self, count: int, code: str, detail: str) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._code, self._detail = code, detail

    @classmethod
    def for_waiting(cls, threads: int) -> Self:
        """`threads` of the server, more than 8."""
        return cls(
            threads - NOT_WAITING,
            "too_many_waiting",
            "Too many requests are waiting for answers. Try again, or send Prefer: respond-async.",
        )

    @classmethod
    def for_asking(cls, threads: int) -> Self:
        return cls(threads - NOT_ASKING, "too_busy", "Too many requests at the same time. Try again.")

    def take(self) -> None:
        """Raises Problem if all are taken. Whoever takes one gives it back."""
        if not self._free.acquire(blocking=False):
            raise Problem(503, self._code, self._detail, headers={"Retry-After": "5"})

    def give_back(self) -> None:
        self._free.release()


class Shares:
    """At most `most` places for each user: one who asks much does not keep others from being served."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @classmethod
    def of_waiting(cls, threads: int) -> Self:
        """A sixth of the places to wait."""
        return cls(max(1, (threads - NOT_WAITING) // 6))

    @classmethod
    def of_asking(cls, threads: int) -> Self:
        """A quarter of the places to ask the project."""
        return cls(max(1, (threads - NOT_ASKING) // 4))

    def take(self, account: str) -> bool:
        """Whether this account may have one more; who has it gives it back."""
        with self._lock:
            if self._held[account] >= self._most:
                return False
            self._held[account] += 1
            return True

    def give_back(self, account: str) -> None:
        with self._lock:
            self._held[account] -= 1
            if not self._held[account]:
                del self._held[account]


def looks(
    caller: Caller, question: TurnRow, seconds: float, is_gone: Callable[[], bool], stopping: threading.Event
) -> Iterator[TurnRow]:
    """The turn as it is now, and again and again until its reply is over, time is up, the client has gone, or the
    server stops.

    Raises Problem if it was deleted meanwhile.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE
    row = question
    while True:
        yield row
        left = deadline - time.monotonic()
        if not conversation.is_under_way(row) or left <= 0 or is_gone() or stopping.is_set():
            return
        stopping.wait(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE)
        row = _look(caller, row)


def _look(caller: Caller, row: TurnRow) -> TurnRow:
    try:
        found = conversation.turn(caller, row["id"])
    except Problem:
        # The question is stored. An error would tell a program that it is not, and it would ask again.
        return row
    if found is None:
        raise Problem(404, "not_found", "The message was deleted meanwhile.")
    return found
