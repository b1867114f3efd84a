"""Calls of models, and their failures."""

import asyncio
import contextlib
from typing import Any

from tests.support.clock import Clock
from worker.errors import ModelError, ModelOverloaded
from worker.model.admission import Admission
from worker.model.breakers import LEAST_VOTES, OPEN_SECONDS
from worker.network.jitter import JITTER


def call(
    admission: Admission,
    model: str,
    error: BaseException | None = None,
    question: str = "q",
    user: str = "u",
    word: bool = False,
    life: bool = False,
) -> bool:
    """A call that is taken and made; answers whether it was allowed."""
    if admission.take([model]) is None:
        return False
    with contextlib.suppress(ModelError, asyncio.CancelledError), admission.watch(model, question, user) as watched:
        watched.sign_of_life = life
        if word:
            watched.first_word = True
        if error:
            raise error
    return True


def fail(
    admission: Admission,
    model: str,
    kind: type[ModelError] = ModelOverloaded,
    times: int = LEAST_VOTES,
    **others: Any,
) -> None:
    for number in range(times):
        call(admission, model, kind("x"), question=f"q{number}", user=f"u{number}", **others)


def half_open(admission: Admission, clock: Clock, model: str = "first") -> None:
    fail(admission, model)
    clock.now += OPEN_SECONDS * (1 + JITTER)
    assert admission.states()[model] == "half_open"
