"""When a failed call is followed by another, and where it waits until then. Pure, but for the jitter."""

import enum
import random
from dataclasses import dataclass

from worker.errors import ModelError

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 30.0
# A longer wait goes back to the queue: the place is free meanwhile, for whoever can be answered now.
LONGEST_WAIT_IN_CLAIM_SECONDS = 5.0


class Again(enum.Enum):
    NEVER = enum.auto()
    LATER = enum.auto()
    AT_ONCE = enum.auto()
    """Another model is asked, which nothing is known against."""


@dataclass(frozen=True)
class Pause:
    seconds: float
    in_queue: bool


def decide(error: ModelError, again: Again, tries_left: int, tries_made: int, seconds_left: float) -> Pause | None:
    """The pause before the next attempt, or None: there is none.

    `seconds_left` is what the deadline leaves to this claim: what would begin after it waits in the queue.
    """
    if again is Again.NEVER or tries_left <= 0:
        return None
    seconds = 0.0 if again is Again.AT_ONCE else _wait(error, tries_made)
    if seconds >= seconds_left:
        return Pause(max(seconds, FIRST_BACKOFF_SECONDS), in_queue=True)
    return Pause(seconds, in_queue=seconds > LONGEST_WAIT_IN_CLAIM_SECONDS)


def _wait(error: ModelError, tries_made: int) -> float:
    """Full jitter, so that many workers do not come back together; the provider's own wish wins."""
    if error.retry_after is not None:
        return error.retry_after
    ceiling = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (tries_made - 1))
    return random.uniform(0, ceiling)  # noqa: S311 - jitter is no secret
