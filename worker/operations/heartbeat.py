"""Whether the event loop still runs."""

import asyncio
import time

BEAT_SECONDS = 1.0
STILL_SECONDS = 15.0
"""An event loop that is blocked for longer is taken for hung: a supervisor should restart the process."""


class Heartbeat:
    """`beats` may be called in any thread: whether the event loop has run lately."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beats(self) -> bool:
        return time.monotonic() - self._last < STILL_SECONDS

    async def run(self) -> None:
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
