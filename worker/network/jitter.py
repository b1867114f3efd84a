"""Pauses that differ a little from one another."""

import random

JITTER = 0.3


def jittered(seconds: float) -> float:
    """As long, or up to 30 % longer: many that wait for the same do not come back together."""
    return seconds * random.uniform(1, 1 + JITTER)  # noqa: S311 - jitter is no secret
