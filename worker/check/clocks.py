"""How far the clocks are apart: this machine's, the API's and the database's."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from worker.check.findings import Finding

NOTICEABLE_SECONDS = 5.0
HARMFUL_SECONDS = 60.0
SYNCHRONISE = "Synchronise this machine's clock (NTP); if it is right, ask whoever runs the project."


class Stopwatch:
    """This machine's time in the middle of a call: the best estimate of when the other side read its clock."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._started = clock()

    @property
    def middle(self) -> float:
        """Seconds since 1970."""
        return (self._started + self._clock()) / 2


def ahead_by_date(header: str | None, here: float) -> float | None:
    """Seconds by which a server's clock is ahead, from its Date header, which has whole seconds; None without one."""
    try:
        date = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return date.timestamp() + 0.5 - here


def ahead_by_time(time_there: str, here: float) -> float:
    """Seconds by which the database's clock is ahead. `time_there`: ISO 8601."""
    return datetime.fromisoformat(time_there).astimezone(UTC).timestamp() - here


def judge(whose: str, ahead: float | None) -> Finding:
    if ahead is None:
        return Finding("skipped", "clocks", f"{whose} does not tell its time.")
    if abs(ahead) < NOTICEABLE_SECONDS:
        return Finding("ok", "clocks", f"{whose} clock agrees with this machine's.")
    words = f"{whose} clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's."
    if abs(ahead) < HARMFUL_SECONDS:
        return Finding("warning", "clocks", words, SYNCHRONISE)
    return Finding("problem", "clocks", f"{words} Sign-ins are judged by the clock.", SYNCHRONISE)
