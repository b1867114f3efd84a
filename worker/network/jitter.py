"""Random additions to pauses."""

import random

JITTER = 0.3


def jittered(seconds: float) -> float:
    """The pause, lengthened by up to 30 %, so that many that wait for the same do not come back together."""
    return seconds * random.uniform(1, 1 + JITTER)  # noqa: S311 - jitter is no secret
