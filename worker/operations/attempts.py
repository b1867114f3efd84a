"""Wrong tokens, counted by address: after a few of them no token of that address is looked at for a while."""

import threading
import time

from worker.network.addresses import network_of

MOST_WRONG = 5
PAUSE_SECONDS = 60.0
MOST_ADDRESSES = 1000
"""That are remembered. Whoever has more of them guesses unhindered, at a token that is too long for it."""


class Attempts:
    """No thread waits for anything here: who is paused is refused at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: dict[str, tuple[int, float]] = {}
        """How many, and when the last one came; the longest known address first."""

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
