"""Circuit breakers: a model that fails for most questions of several users is not asked for a while."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worker.network.jitter import jittered

WINDOW_VOTES = 20
FAILURE_SHARE = 0.5
LEAST_VOTES = 5
"""Votes that are needed before the share of failures counts."""
LEAST_USERS = 3
"""Failures of fewer users may be caused by their questions."""
OPEN_SECONDS = 20.0
PROBE_LOOK_SECONDS = 1.0
"""Interval for checks while a probe is in progress, since its end is not known."""
UNUSED_PROBE_SECONDS = 10.0
"""A probe that was taken, but whose call did not begin within this time, can be taken again."""


@dataclass(eq=False)
class Probe:
    """The single call that is allowed after a closure."""

    closure: "Closure"
    lapses_at: float

    def ended(self) -> None:
        """Free the probe's place, unless another probe has it."""
        if self.closure.probe is self:
            self.closure.probe = None


class Closure:
    """A time during which no call may begin, optionally followed by a single probe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = self._began_at = float("-inf")
        self._times = 0
        self.then_probe = False
        self.probe: Probe | None = None

    def begin(self, steps: Sequence[float], then_probe: bool, begun_at: float) -> None:
        """Close for the next of `steps`, in seconds. `begun_at`: start of the call that is the reason; if that was
        before the last closure, the step stays the same. A closure is never shortened."""
        now = self._clock()
        if begun_at > self._began_at:
            self._times += 1
        self.then_probe = then_probe or (self.then_probe and begun_at <= self._began_at)
        self._began_at = now
        self._until = max(self._until, now + jittered(steps[min(self._times, len(steps)) - 1]))
        self.probe = None

    def lift(self) -> None:
        """End the closure, and start again with the first step."""
        self._until, self.then_probe, self._times, self.probe = float("-inf"), False, 0, None

    def answered(self, begun_at: float) -> None:
        """A call that began at `begun_at` was answered: the next closure uses the first step."""
        if begun_at > self._began_at:
            self._times = 0

    def opens_in(self) -> float:
        """Seconds until a call may begin; 0: now."""
        if (left := self._until - self._clock()) > 0:
            return left
        return PROBE_LOOK_SECONDS if self.is_half_open and self._is_probed() else 0.0

    @property
    def is_half_open(self) -> bool:
        return self.then_probe and self._clock() >= self._until

    @property
    def state(self) -> str:
        """closed (calls are allowed), open or half_open, as in a circuit breaker."""
        return "half_open" if self.is_half_open else "open" if self._clock() < self._until else "closed"

    def take(self) -> None:
        """A call is about to begin: if half-open, it is the probe."""
        if self.is_half_open:
            self.probe = Probe(self, self._clock() + UNUSED_PROBE_SECONDS)

    def use(self) -> Probe | None:
        """The probe whose call begins now, if one was taken."""
        if self.probe is None or not self._clock() < self.probe.lapses_at < float("inf"):
            return None
        self.probe.lapses_at = float("inf")
        return self.probe

    def _is_probed(self) -> bool:
        return self.probe is not None and self._clock() < self.probe.lapses_at


class Breaker:
    """The breaker of one model. Each question has one vote, its newest; votes count only while it is closed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.closure = Closure(clock)
        self._votes: dict[str, tuple[str, bool]] = {}

    def vote(self, message_id: str, user_id: str, failed: bool) -> None:
        """Count the end of a call; opens the breaker if too many questions have failed."""
        if self.closure.state != "closed":
            return
        self._votes.pop(message_id, None)
        self._votes[message_id] = (user_id, failed)
        if len(self._votes) > WINDOW_VOTES:
            del self._votes[next(iter(self._votes))]
        users = [user for user, has_failed in self._votes.values() if has_failed]
        is_enough = len(self._votes) >= LEAST_VOTES and len(users) >= FAILURE_SHARE * len(self._votes)
        if failed and is_enough and len(set(users)) >= LEAST_USERS:
            self.open()

    def open(self) -> None:
        """Do not ask the model for OPEN_SECONDS, then allow a probe."""
        self._votes.clear()
        self.closure.begin([OPEN_SECONDS], then_probe=True, begun_at=float("-inf"))
