"""A token bucket for messages, which may go below zero."""

import time


class Allowance:
    """The bucket holds the messages of one second at most, so that no burst follows a pause."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = per_second
        self._counted_at = time.monotonic()

    def spend(self, messages: float) -> None:
        """Take so many messages, also more than are left: the debt delays later ones."""
        self._count()
        self._left -= messages

    def affords(self) -> float:
        """How many messages may be sent now; below zero while there is a debt."""
        self._count()
        return self._left

    def seconds_until(self, messages: float) -> float:
        """Seconds until so many messages may be sent; 0: now."""
        return max(0.0, (messages - self.affords()) / self._per_second)

    def _count(self) -> None:
        now = time.monotonic()
        self._left = min(self._per_second, self._left + (now - self._counted_at) * self._per_second)
        self._counted_at = now
