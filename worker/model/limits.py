"""How many calls to one model this worker may begin now, so that all workers together stay within its limit.

Each worker records its own calls and uses an equal share of the limit, without a common counter. The limit is set
(GEMINI_RATE_LIMIT), or learned from a 429 that names it, or unknown; while it is unknown, no call is delayed.

After a 429 the worker has an allowance, half of what it was allowed, which grows again while it is used up and no
further 429 comes. Where the limit is known, it grows by a tenth of the share in each window, up to the share. Where
no limit is known, it is at most half of what the provider took in the last window (of what was sent, if it took
none), at least a part of ten a minute, and counts only what the provider takes. It grows by a tenth of that in each
quarter of a window, since the limit may be one of seconds, and is forgotten when it was not used up for ten windows.

A worker's first window begins with a tenth of its share and grows to all of it, since its predecessor, and the other
workers before their shares shrank, may have sent calls in the last window. For the same reason a share that grows,
since a worker left, is used one window later.

If the limit is less than one call for each worker, it is kept on average only.
"""

import bisect
import math
import random
import re
import time
from collections.abc import Callable
from typing import NamedTuple

OVERSHOOT = 1.1
"""The greatest factor by which all workers together may exceed the limit, if a share is not a whole number."""
FIRST_PART = 0.1
GROWTH = 0.1
PERIOD_WHERE_UNKNOWN = 0.25
"""Of a window."""
WINDOWS_TO_FORGET = 10
ALWAYS = 10
"""Calls in a window that all workers together may begin if no limit is known: the smallest limit of a plan."""
MINUTE = 60.0
_A_MOMENT = 0.001


class RateLimit(NamedTuple):
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> "RateLimit":
        """From text such as "60/60". Raises ValueError."""
        found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9}(?:\.\d+)?)\s*", text)
        if not found or not int(found[1]) or not float(found[2]):
            raise ValueError("It has the form calls/seconds, both above 0, such as 60/60")
        return cls(int(found[1]), float(found[2]))


class Limiter:
    """The limit of one model for this worker."""

    def __init__(self, limit: RateLimit | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limit = limit
        self._is_set = limit is not None
        self._window = limit.seconds if limit else MINUTE
        self._started = clock()
        self._phase = random.random()  # noqa: S311 - workers only have to differ
        self._calls: list[float] = []
        self._refused: list[float] = []
        self._workers = 1
        self._workers_before: list[tuple[float, int]] = []  # until when there were so many
        self._allowance: float | None = None
        self._most = math.inf  # what was allowed before the burst that brought the 429
        self._before = 0.0  # … or, if that is less, what the provider took of it
        self._cut_at = -math.inf
        self._grown_at = 0.0
        self._used_up = False
        self._used_up_at = 0.0

    def set_workers(self, number: int) -> None:
        """The number of live workers, including this one."""
        if number == self._workers or number < 1:
            return
        now = self._clock()
        recent = [each for each in self._workers_before if each[0] > now - self._window]
        self._workers_before = [*recent, (now, self._workers)]
        self._workers = number

    def free(self) -> float:
        """How many calls may begin now; infinite if no limit is known."""
        self._grow()
        free = self._free(self._clock())
        if free <= 0 and self._allowance is not None:
            self._used_up = True
        return free

    def opens_in(self) -> float:
        """Seconds until a call may begin."""
        if self.free() > 0:
            return 0.0
        now, share = self._clock(), self._share(self._clock())
        ends = [now]
        if self._allowance is not None:
            taken = _without(self._calls, self._refused)
            calls, seconds = _whole_calls(self._allowance, self._window)
            grows_at = self._grown_at + self._period(share)
            ends += [min(grows_at, each + seconds) for each in taken[-calls:][:1] if len(taken) >= calls]
        if share is not None:
            calls, seconds = _whole_calls(share, self._window)
            ends += [each + seconds for each in self._calls[-calls:][:1] if len(self._calls) >= calls]
            if self._is_set:
                part = min(1.0, (len(self._calls) / share - FIRST_PART) / (1 - FIRST_PART))
                ends.append(self._started + part * self._window)
                ends.append(self._started + (self._phase * seconds if share < 1 else 0.0))
        return max(ends) - now + _A_MOMENT

    def is_full(self) -> bool:
        """Whether no call may begin now. Changes no state, so it may be called in any thread."""
        return self._free(self._clock()) <= 0

    def record(self) -> None:
        """Record a call that begins now."""
        now = self._clock()
        rates = [rate for rate in (self._share(now), self._allowance) if rate is not None]
        keep = max([self._window, *(_whole_calls(rate, self._window)[1] for rate in rates)])
        for times in (self._calls, self._refused):
            del times[: bisect.bisect_right(times, now - keep)]
        self._calls.append(now)

    def refused(self, begun_at: float, calls_per_minute: int | None) -> None:
        """A call that began at `begun_at` got a 429. `calls_per_minute`: the limit that it names, or None."""
        now = self._clock()
        bisect.insort(self._refused, begun_at)
        if calls_per_minute and not self._is_set and self._limit != (calls_per_minute, MINUTE):
            # The limit is known from now on, so the share limits the calls without an allowance.
            self._limit, self._allowance, self._cut_at = RateLimit(calls_per_minute, MINUTE), None, now
            return
        is_of_the_same_burst = begun_at <= self._cut_at
        if is_of_the_same_burst and self._allowance is None:
            return
        if not is_of_the_same_burst:
            self._most = math.inf if self._allowance is None else self._allowance
            self._cut_at = self._grown_at = self._used_up_at = now
            self._used_up = False
        share = self._share(now)
        if share is None:
            sent = self._since(self._calls, now - self._window)
            taken = sent - self._since(self._refused, now - self._window)
            self._before = max(1.0, min(self._most, taken or sent))
        else:
            self._before = min(self._most, share)
        least = max(1.0, ALWAYS / self._workers) if share is None else min(1.0, share)
        self._allowance = max(least, self._before / 2)

    def _since(self, times: list[float], moment: float) -> int:
        return len(times) - bisect.bisect_right(times, moment)

    def _free(self, now: float) -> float:
        free = math.inf
        if self._allowance is not None:
            calls, seconds = _whole_calls(self._allowance, self._window)
            free = calls - (self._since(self._calls, now - seconds) - self._since(self._refused, now - seconds))
        if (rate := self._share(now)) is None:
            return max(0, free)
        calls, seconds = _whole_calls(rate, self._window)
        free = min(free, calls - self._since(self._calls, now - seconds))
        age = now - self._started
        if self._is_set and age < self._window:
            part = FIRST_PART + (1 - FIRST_PART) * age / self._window
            free = min(free, math.ceil(rate * part) - len(self._calls))
        if self._is_set and rate < 1 and age < self._phase * seconds:
            free = 0
        return max(0, free)

    def _share(self, now: float) -> float | None:
        if self._limit is None:
            return None
        before = (number for until, number in self._workers_before if until > now - self._window)
        return self._limit.calls / max(self._workers, *before, 1)

    def _grow(self) -> None:
        now, share = self._clock(), self._share(self._clock())
        if self._allowance is None or now - self._grown_at < self._period(share):
            return
        self._grown_at = now
        if self._used_up:
            self._allowance += GROWTH * (share or self._before)
            self._used_up, self._used_up_at = False, now
        is_forgotten = now - self._used_up_at >= WINDOWS_TO_FORGET * self._window
        if is_forgotten if share is None else self._allowance >= share:
            self._allowance = None

    def _period(self, share: float | None) -> float:
        """Seconds between two increases of the allowance."""
        return self._window * (PERIOD_WHERE_UNKNOWN if share is None else 1)


def _without(times: list[float], others: list[float]) -> list[float]:
    """The times without, for each of the others, the last one that is not later than it."""
    rest = list(times)
    for other in others:
        if (place := bisect.bisect_right(rest, other)) > 0:
            del rest[place - 1]
    return rest


def _whole_calls(rate: float, window: float) -> tuple[int, float]:
    """The rate as (calls, seconds): rounded up to a whole number, in a window that is longer in proportion.

    This allows up to one call more in a single window. If that exceeds OVERSHOOT, the rate is rounded down instead.
    """
    calls = math.ceil(rate)
    if calls > rate * OVERSHOOT and rate >= 1:
        return math.floor(rate), window
    return calls, window * calls / rate
