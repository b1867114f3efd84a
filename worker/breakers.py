"""A circuit breaker for each model: one that fails most of its calls is left alone for a while."""

import contextlib
import functools
from collections.abc import Iterable, Iterator

import structlog
from pyresilience import CircuitBreaker, CircuitBreakerConfig, CircuitState

from worker import metrics
from worker.errors import ModelError, ModelOverloaded

log = structlog.get_logger()

WINDOW_CALLS = 20
FAILURE_SHARE = 0.5
LEAST_CALLS = 5
"""With fewer in the window, no share says anything."""
OPEN_SECONDS = 20.0


class Breakers:
    """`models` in the order of preference."""

    def __init__(self, models: list[str]) -> None:
        self.models = models
        config = CircuitBreakerConfig(
            sliding_window_size=WINDOW_CALLS,
            failure_rate_threshold=FAILURE_SHARE,
            minimum_calls=LEAST_CALLS,
            recovery_timeout=OPEN_SECONDS,
            success_threshold=1,
        )
        self._breakers = {model: CircuitBreaker(config) for model in models}
        self._last_errors: dict[str, type[ModelError]] = {}
        self._probed: set[str] = set()
        for model in models:
            for state in CircuitState:
                # Asked at every scrape: open becomes half open by the clock alone.
                metrics.BREAKER.labels(model, state.value).set_function(functools.partial(self._is_in, model, state))

    def states(self) -> dict[str, str]:
        """Model → closed, open or half_open."""
        return {model: breaker.state.value for model, breaker in self._breakers.items()}

    def _is_in(self, model: str, state: CircuitState) -> bool:
        return self._breakers[model].state is state

    def pick(self, models: Iterable[str]) -> str | None:
        """The first of these that may be asked. Half open, it is asked by one call at a time if another can serve."""
        allowed = [model for model in models if self._breakers[model].allow_request()]
        return next((model for model in allowed if model not in self._probed), next(iter(allowed), None))

    def refusal(self, models: Iterable[str]) -> ModelError:
        """Why none of these may be asked: as the last call said, and the most hopeful of them."""
        kinds = [self._last_errors.get(model, ModelOverloaded) for model in models]
        kind = next((kind for kind in kinds if kind.may_be_retried), kinds[0])
        return kind("breaker open", retry_after=OPEN_SECONDS)

    @contextlib.contextmanager
    def watch(self, model: str) -> Iterator[None]:
        """Around a call. What says nothing of the model's health, such as a call that is stopped, is not counted."""
        breaker = self._breakers[model]
        before = breaker.state
        if before is CircuitState.HALF_OPEN:
            self._probed.add(model)
        try:
            yield
        except ModelError as error:
            if error.is_trouble_of_the_model:
                self._last_errors[model] = type(error)
                breaker.record_failure()
            raise
        else:
            breaker.record_success()
        finally:
            self._probed.discard(model)
            if breaker.state is not before:
                log.warning("A breaker has moved.", action="breaker_moved", model=model, state=breaker.state.value)
