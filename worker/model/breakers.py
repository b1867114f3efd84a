"""A circuit breaker for each model: one that fails most questions of several users is left alone for a while."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worker.network.jitter import jittered

WINDOW_VOTES = 20
FAILURE_SHARE = 0.5
LEAST_VOTES = 5
"""With fewer in the window, no share says anything."""
LEAST_USERS = 3
"""What fails for fewer may be their questions' doing."""
OPEN_SECONDS = 20.0
PROBE_LOOK_SECONDS = 1.0
"""While a probe is under way, its end is not known: look again after so many seconds."""
UNUSED_PROBE_SECONDS = 10.0
"""A probe's place that was taken and not used for so long is free again."""


@dataclass(eq=False)
class Probe:
    """The one call that may be made after a closure."""

    closure: "Closure"
    lapses_at: float

    def ended(self) -> None:
        """Whatever came of it, the place is free, unless another has it by now."""
        if self.closure.probe is self:
            self.closure.probe = None


class Closure:
    """Until when nothing is asked, and whether one call goes first afterwards."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = self._began_at = float("-inf")
        self._times = 0
        self.then_probe = False
        self.probe: Probe | None = None

    def begin(self, steps: Sequence[float], then_probe: bool, begun_at: float) -> None:
        """For the next of these seconds, longer each time. `begun_at`: of the call that is the reason. One from
        before the last closure is no repetition, and no closure is ever shortened."""
        now = self._clock()
        if begun_at > self._began_at:
            self._times += 1
        self.then_probe = then_probe or (self.then_probe and begun_at <= self._began_at)
        self._began_at = now
        self._until = max(self._until, now + jittered(steps[min(self._times, len(steps)) - 1]))
        self.probe = None

    def lift(self) -> None:
        self._until, self.then_probe, self._times, self.probe = float("-inf"), False, 0, None

    def answered(self, begun_at: float) -> None:
        """A call of then was answered: the next closure is a first one."""
        if begun_at > self._began_at:
            self._times = 0

    def opens_in(self) -> float:
        """Seconds until a call may be made."""
        if (left := self._until - self._clock()) > 0:
            return left
        return PROBE_LOOK_SECONDS if self.is_half_open and self._is_probed() else 0.0

    @property
    def is_half_open(self) -> bool:
        return self.then_probe and self._clock() >= self._until

    @property
    def state(self) -> str:
        """closed (all is well), open or half_open, as of a breaker."""
        return "half_open" if self.is_half_open else "open" if self._clock() < self._until else "closed"

    def take(self) -> None:
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
    """Of one model. Each question has one vote, its newest; only a closed breaker counts them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.closure = Closure(clock)
        self._votes: dict[str, tuple[str, bool]] = {}

    def vote(self, message_id: str, user_id: str, failed: bool) -> None:
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
        self._votes.clear()
        self.closure.begin([OPEN_SECONDS], then_probe=True, begun_at=float("-inf"))
