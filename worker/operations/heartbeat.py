"""Whether the event loop still turns."""

import asyncio
import time

BEAT_SECONDS = 1.0
STILL_SECONDS = 15.0
"""A loop that has stood still for as long will not turn again: a supervisor should start another."""


class Heartbeat:
    """`beats` is for any thread: whether the event loop still turns."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beats(self) -> bool:
        return time.monotonic() - self._last < STILL_SECONDS

    async def run(self) -> None:
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
