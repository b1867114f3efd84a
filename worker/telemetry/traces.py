"""A trace for each reply, from its question to its end. Off unless there is an address to send it to.

Names and numbers only: no text of a question, an answer or a prompt.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from worker.claim import Claim
from worker.rows import Call


@dataclass
class Span:
    """What is under way. Whoever gives it up without a word has lost it."""

    outcome: str = "lost"


class Traces:
    """These go nowhere. otlp.py has those that are sent."""

    @contextlib.contextmanager
    def reply(self, claim: Claim) -> Iterator[Span]:
        """Around all that is done for a claim."""
        yield Span()

    @contextlib.contextmanager
    def call(self, claim: Claim, call: Call) -> Iterator[Span]:
        """Around a call to a model, within `reply`; what `call` holds at the end is told."""
        yield Span()

    @contextlib.contextmanager
    def settle(self, function: str) -> Iterator[None]:
        """Around a function of the database that ends an attempt, within `reply`."""
        yield

    def close(self) -> None:
        """Send what waits. It may take some seconds, in the caller's thread."""
