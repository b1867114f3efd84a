"""When a failed call is tried again. Pure: an error and the tries that are left decide."""

import random

from worker.errors import ModelError

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 30.0


def decide(error: ModelError, tries_left: int, tries_made: int) -> float | None:
    """Seconds until the next attempt, or None: never.

    Full jitter, so that many workers do not come back together; the provider's own wish wins.
    """
    if not error.may_be_retried or tries_left <= 0:
        return None
    if error.retry_after is not None:
        return error.retry_after
    ceiling = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (tries_made - 1))
    return random.uniform(0, ceiling)  # noqa: S311 - jitter is no secret
