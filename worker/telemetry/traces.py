"""A trace for each reply, from its question to its end. Off unless there is an address to send it to.

Names and numbers only: no text of a question, an answer or a prompt.
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
    """These go nowhere. otlp.py has those that are sent."""

    @contextlib.contextmanager
    def reply(self, claim: Claim) -> Iterator[ReplySpan]:
        """Around all that is done for a claim."""
        yield ReplySpan()

    @contextlib.contextmanager
    def call(self, claim: Claim, call: Call) -> Iterator[CallSpan]:
        """Around a call to a model, within `reply`; what `call` holds at the end is told."""
        yield CallSpan()

    @contextlib.contextmanager
    def settle(self, function: str) -> Iterator[None]:
        """Around a function of the database that ends an attempt, within `reply`."""
        yield

    def close(self) -> None:
        """Send what waits. It may take some seconds, in the caller's thread."""
