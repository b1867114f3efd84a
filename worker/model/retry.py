"""Whether and when a failed call is repeated, and where the reply waits until then. Pure, except for the jitter."""

import enum
import random
from dataclasses import dataclass

from worker.errors import ModelError
from worker.network.jitter import jittered

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 30.0
# For a longer wait the reply goes back to the queue, so that its capacity is free for another.
LONGEST_WAIT_IN_CLAIM_SECONDS = 5.0


class Again(enum.Enum):
    """When another call may follow a failed one."""

    NEVER = enum.auto()
    LATER = enum.auto()
    AT_ONCE = enum.auto()
    """With another model, which this claim has not asked yet."""


@dataclass(frozen=True)
class Pause:
    """Seconds before the next call; `in_queue`: the reply waits in the queue, and its claim ends."""

    seconds: float
    in_queue: bool


def decide(error: ModelError, again: Again, calls_left: int, calls_made: int, seconds_left: float) -> Pause | None:
    """The pause before the next call; None: the reply has failed.

    `seconds_left`: until the claim's deadline; a call that would begin later waits in the queue, as does one for a
    closed model. An error that is not counted is never final for lack of calls.
    """
    if again is Again.NEVER or (calls_left <= 0 and error.is_counted):
        return None
    seconds = 0.0 if again is Again.AT_ONCE else _wait(error, calls_made)
    if seconds >= seconds_left:
        return Pause(max(seconds, jittered(FIRST_BACKOFF_SECONDS)), in_queue=True)
    is_closed = again is Again.LATER and error.closes_the_model
    return Pause(seconds, in_queue=is_closed or seconds > LONGEST_WAIT_IN_CLAIM_SECONDS)


def _wait(error: ModelError, calls_made: int) -> float:
    """Random, so that many calls are not repeated at once: a back-off, or a little more than the provider's pause."""
    if error.retry_after is not None:
        return jittered(error.retry_after)
    ceiling = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** max(0, calls_made - 1))
    return random.uniform(0, ceiling)  # noqa: S311 - jitter is no secret
