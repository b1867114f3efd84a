"""Which model is asked next for one claim: its own memory of them, and everybody's breakers."""

from worker.breakers import Breakers
from worker.errors import ModelError
from worker.retry import Again


class Route:
    """The models of one claim."""

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers
        self._given_up: set[str] = set()  # gone, or out of quota: not asked again in this claim
        self._set_aside: set[str] = set()  # overloaded: the others are asked first

    def choose(self) -> str:
        """The model to ask. Raises the ModelError that its breaker stands for where none may be asked."""
        model = self._breakers.pick(self._fresh) or self._breakers.pick(self._usable)
        if model is None:
            raise self._breakers.refusal(self._usable)
        return model

    def after(self, model: str | None, error: ModelError) -> Again:
        """When to go on, now that this model has failed in this way; None: none could be asked."""
        if model is None or not error.another_model_may_help:
            return Again.LATER if error.may_be_retried else Again.NEVER
        (self._set_aside if error.may_be_retried else self._given_up).add(model)
        if self._breakers.pick(self._fresh):
            return Again.AT_ONCE
        self._set_aside.clear()
        return Again.LATER if self._usable else Again.NEVER

    @property
    def _usable(self) -> list[str]:
        return [model for model in self._breakers.models if model not in self._given_up]

    @property
    def _fresh(self) -> list[str]:
        return [model for model in self._usable if model not in self._set_aside]
