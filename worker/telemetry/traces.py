"""A trace for each reply, from its question to its end. Off unless an OTLP endpoint is set.

Traces hold names and numbers only: no text of a question, an answer or a prompt.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from worker.claim import Claim
from worker.rows import Call, CallEnd, CallOutcome, ClaimEnd


@dataclass
class ReplySpan:
    """Work on a claim that is in progress. It counts as lost unless the block sets how it ended."""

    outcome: ClaimEnd | Literal[CallOutcome.LOST] = CallOutcome.LOST


@dataclass
class CallSpan:
    """A call to a model that is in progress. It counts as lost unless the block sets how it ended."""

    outcome: CallEnd = CallOutcome.LOST


class Traces:
    """Traces that are not sent; otlp.py has the subclass that sends them."""

    @contextlib.contextmanager
    def reply(self, claim: Claim) -> Iterator[ReplySpan]:
        """Around the work on a claim."""
        yield ReplySpan()

    @contextlib.contextmanager
    def call(self, claim: Claim, call: Call) -> Iterator[CallSpan]:
        """Around a call to a model, within `reply`; the figures of `call` at the end are sent."""
        yield CallSpan()

    @contextlib.contextmanager
    def settle(self, function: str) -> Iterator[None]:
        """Around a function of the database that ends an attempt, within `reply`."""
        yield

    def close(self) -> None:
        """Send buffered spans. May block the caller's thread for some seconds."""
