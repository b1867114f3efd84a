"""Requests that wait for an answer: limits, and polling with growing pauses."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Self

from worker.web.api import conversation
from worker.web.api.conversation import TurnRow
from worker.web.api.problems import Problem
from worker.web.api.project import Caller

FIRST_PAUSE = 0.15  # seconds between the first two polls
LONGEST_PAUSE = 1.0  # seconds; a draft is saved every 500 characters or 3 s
NOT_WAITING = 8  # threads kept free of waiting requests: for short requests, the page and health
NOT_ASKING = 4  # of these, threads kept free of calls to the project, which may hang: for the page and health


class Slots:
    """A limit of `count` requests at the same time; further ones are refused with `code` and `detail`."""

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
        """For requests that call the project."""
        return cls(threads - NOT_ASKING, "too_busy", "Too many requests at the same time. Try again.")

    def take(self) -> None:
        """Take one; the caller must give it back. Raises Problem if all are taken."""
        if not self._free.acquire(blocking=False):
            raise Problem(503, self._code, self._detail, headers={"Retry-After": "5"})

    def give_back(self) -> None:
        self._free.release()


class Shares:
    """A limit of `most` requests at the same time for each account, so that one cannot take the slots of others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @classmethod
    def of_waiting(cls, threads: int) -> Self:
        """A sixth of the slots for waiting requests."""
        return cls(max(1, (threads - NOT_WAITING) // 6))

    @classmethod
    def of_asking(cls, threads: int) -> Self:
        """A quarter of the slots for requests that call the project."""
        return cls(max(1, (threads - NOT_ASKING) // 4))

    def take(self, account: str) -> bool:
        """Take one if the account has one left; the caller must then give it back. Returns whether it was taken."""
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


def poll(
    caller: Caller, question: TurnRow, seconds: float, is_gone: Callable[[], bool], stopping: threading.Event
) -> Iterator[TurnRow]:
    """Polls the turn: yields `question`, then the current row after each pause, until its reply has ended, `seconds`
    are over, the client has disconnected, or the server stops.

    Raises Problem if the question was deleted meanwhile.
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
        row = _read_again(caller, row)


def _read_again(caller: Caller, row: TurnRow) -> TurnRow:
    try:
        found = conversation.turn(caller, row["id"])
    except Problem:
        # The question is stored. A program would take an error for a refusal and ask again.
        return row
    if found is None:
        raise Problem(404, "not_found", "The message was deleted meanwhile.")
    return found
