"""How many messages may be sent now: so many are added each second, and what is spent too early is a debt."""

import time


class Allowance:
    """At most the messages of one second are saved up, so that no burst follows a pause."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = per_second
        self._counted_at = time.monotonic()

    def spend(self, messages: float) -> None:
        """Also more than is left: what has been caused already is paid for afterwards."""
        self._count()
        self._left -= messages

    def affords(self) -> float:
        """Messages; below zero while there is a debt."""
        self._count()
        return self._left

    def seconds_until(self, messages: float) -> float:
        return max(0.0, (messages - self.affords()) / self._per_second)

    def _count(self) -> None:
        now = time.monotonic()
        self._left = min(self._per_second, self._left + (now - self._counted_at) * self._per_second)
        self._counted_at = now
