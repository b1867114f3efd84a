"""Calls of models, and their failures."""

import asyncio
import contextlib

from worker.errors import ModelError, ModelOverloaded
from worker.model.breakers import LEAST_VOTES


def call(admission, model, error=None, question="q", user="u", word=False, life=False):
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


def fail(admission, model, kind=ModelOverloaded, times=LEAST_VOTES, **others):
    for number in range(times):
        call(admission, model, kind("x"), question=f"q{number}", user=f"u{number}", **others)
