"""Counts wrong tokens by client address: after five, tokens from that address are refused for a minute."""

import threading
import time

from worker.network.addresses import network_of

MOST_WRONG = 5
PAUSE_SECONDS = 60.0
MOST_ADDRESSES = 1000
"""Addresses that are remembered. A client with more of them is not slowed down, but cannot guess 256 bits either."""


class Attempts:
    """A paused address is refused at once: no thread sleeps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: dict[str, tuple[int, float]] = {}
        """Network → number of wrong tokens and the monotonic time of the last one, in the order of their first."""

    def are_paused(self, address: str) -> bool:
        with self._lock:
            return self._count(network_of(address)) >= MOST_WRONG

    def count_wrong(self, address: str) -> None:
        network = network_of(address)
        with self._lock:
            count = self._count(network) + 1
            self._wrong[network] = count, time.monotonic()
            if len(self._wrong) > MOST_ADDRESSES:
                del self._wrong[next(iter(self._wrong))]

    def _count(self, network: str) -> int:
        count, last = self._wrong.get(network, (0, 0.0))
        if count and time.monotonic() - last >= PAUSE_SECONDS:
            del self._wrong[network]
            return 0
        return count
