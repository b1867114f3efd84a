"""Which models may be asked now, by their rate limits, circuit breakers, closures by the provider, and the key."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from worker.errors import AccessRefused, ModelError, ModelGone, QuotaSpent, RateLimited, TimedOut
from worker.model.breakers import Breaker, Closure, Probe
from worker.model.limits import Limiter, RateLimit
from worker.telemetry import metrics

log = structlog.get_logger()

LIMITED_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
"""Closures after successive 429s that name no time."""
QUOTA_SECONDS = (300.0,)
REFUSED_SECONDS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Closures if the model is missing or the key is refused, until an operator corrects it."""
STATES = ("closed", "open", "half_open", "limited")


class Watched:
    """A call in progress. Its caller sets these attributes as soon as something arrives from the model."""

    def __init__(self, on_first_word: Callable[[], None]) -> None:
        self._on_first_word = on_first_word
        self._first_word = False
        self.sign_of_life = False
        """Something has arrived: a thought, a count of tokens, an empty piece."""

    @property
    def first_word(self) -> bool:
        """Text of the answer has arrived."""
        return self._first_word

    @first_word.setter
    def first_word(self, has_come: bool) -> None:
        if has_come and not self._first_word:
            self._first_word = True
            self._on_first_word()


@dataclass
class _Model:
    limiter: Limiter
    breaker: Breaker
    closure: Closure
    key: Closure = field(repr=False)
    told: str = "closed"

    @property
    def closures(self) -> tuple[Closure, ...]:
        return self.breaker.closure, self.closure, self.key

    def opens_in(self) -> float:
        return max(self.limiter.opens_in(), *(closure.opens_in() for closure in self.closures))

    def free(self) -> float:
        if any(closure.opens_in() for closure in self.closures):
            return 0
        is_half_open = any(closure.is_half_open for closure in self.closures)
        return min(1, self.limiter.free()) if is_half_open else self.limiter.free()

    def moved_to(self) -> str:
        """Its state without its own rate limit, which changes many times a minute."""
        states = {closure.state for closure in self.closures}
        is_limited = self.closure.state == "open" and not self.closure.then_probe
        if self.breaker.closure.state == "open" or self.key.state == "open":
            return "open"
        if self.closure.state == "open":
            return "limited" if is_limited else "open"
        return "half_open" if "half_open" in states else "closed"

    def state(self) -> str:
        state = self.moved_to()
        return "limited" if state == "closed" and self.limiter.is_full() else state


class Admission:
    """`models`: in the order of preference. For the event loop only; `states` may be called in any thread."""

    def __init__(
        self, models: list[str], limit: RateLimit | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.models = models
        self._clock = clock
        self._key = Closure(clock)
        self._models = {
            model: _Model(Limiter(limit, clock), Breaker(clock), Closure(clock), self._key) for model in models
        }
        for model in models:
            for state in STATES:
                # Computed at each scrape, since a state may change by time alone.
                metrics.BREAKER.labels(model, state).set_function(functools.partial(self._is_in, model, state))

    def set_workers(self, number: int) -> None:
        """The number of live workers, including this one, which share the limit."""
        for model in self._models.values():
            model.limiter.set_workers(number)

    def capacity(self, most: int) -> int:
        """How many calls may begin now, over all models, `most` at most. A half-open model counts as one call."""
        free = sum(model.free() for model in self._models.values())
        return int(min(most, 1 if self._key.is_half_open else most, free))

    def opens_in(self, models: Iterable[str] | None = None) -> float:
        """Seconds until one of these models (None: of all) may be asked; 0: now."""
        asked = self._models if models is None else models
        return min((self._models[model].opens_in() for model in asked), default=0.0)

    def can_serve(self, models: Iterable[str]) -> bool:
        """Whether one of these may be asked now."""
        return any(self._models[model].opens_in() <= 0 for model in models)

    def take(self, models: Iterable[str]) -> str | None:
        """The first of these that may be asked now, or None. The call must begin at once, within `watch`."""
        for name in models:
            model = self._models[name]
            if model.opens_in() <= 0:
                model.limiter.record()
                for closure in model.closures:
                    closure.take()
                self._tell(name)
                return name
        return None

    @contextlib.contextmanager
    def watch(self, model: str, message_id: str, user_id: str) -> Iterator[Watched]:
        """Around a call. An end by another exception than ModelError, such as a stop, does not change any state."""
        asked = self._models[model]
        begun_at = self._clock()
        probes = [probe for closure in asked.closures if (probe := closure.use())]

        def answers() -> None:
            for probe in probes:
                if probe.closure.probe is probe:
                    probe.closure.lift()
            for closure in (asked.closure, asked.key):
                closure.answered(begun_at)
            asked.breaker.vote(message_id, user_id, failed=False)
            self._tell(model)

        call = Watched(answers)
        try:
            yield call
            call.first_word = True
        except ModelError as error:
            if error.closes_the_model:
                _close(asked, error, begun_at)
            elif _is_trouble(error, call):
                self._count_failure(asked, probes, message_id, user_id)
            raise
        finally:
            for probe in probes:
                probe.ended()
            self._tell(model)

    def states(self) -> dict[str, str]:
        """Model → closed (it may be asked), open, half_open or limited, as in STATES."""
        return {name: model.state() for name, model in self._models.items()}

    def _is_in(self, model: str, state: str) -> bool:
        return self._models[model].state() == state

    def _count_failure(self, asked: _Model, probes: list[Probe], message_id: str, user_id: str) -> None:
        if asked.breaker.closure.probe in probes:
            asked.breaker.open()
        else:
            asked.breaker.vote(message_id, user_id, failed=True)

    def _tell(self, model: str) -> None:
        asked = self._models[model]
        if (state := asked.moved_to()) != asked.told:
            asked.told = state
            log.warning("A circuit breaker changed its state.", action="breaker_moved", model=model, state=state)


def _is_trouble(error: ModelError, call: Watched) -> bool:
    """Whether it counts in the breaker: not after the first text, and not a time-out of a model that was thinking."""
    if call.first_word or (isinstance(error, TimedOut) and call.sign_of_life):
        return False
    return error.is_trouble_of_the_model


def _close(asked: _Model, error: ModelError, begun_at: float) -> None:
    match error:
        case RateLimited():
            asked.limiter.refused(begun_at, error.limit)
            steps = (error.retry_after,) if error.retry_after else LIMITED_SECONDS
            asked.closure.begin(steps, then_probe=False, begun_at=begun_at)
        case QuotaSpent():
            asked.closure.begin(QUOTA_SECONDS, then_probe=True, begun_at=begun_at)
        case ModelGone():
            asked.closure.begin(REFUSED_SECONDS, then_probe=True, begun_at=begun_at)
        case AccessRefused():
            asked.key.begin(REFUSED_SECONDS, then_probe=True, begun_at=begun_at)
