"""`replication_ready`: sends a channel that requests it a system message when replication runs."""

import asyncio
from typing import Protocol

from worker.local.realtime.cold_start import ColdStart
from worker.local.realtime.settings import Settings


class Told(Protocol):
    def push_system(self, status: str, message: str) -> None: ...

    def shut_down(self, reason: str) -> None: ...


class Readiness:
    def __init__(self, channel: Told, cold_start: ColdStart, settings: Settings) -> None:
        self._channel = channel
        self._cold_start = cold_start
        self._longest = settings.replication_ready_timeout_ms / 1000
        self._task: asyncio.Task[None] | None = None

    def tell(self) -> None:
        self._task = asyncio.create_task(self._tell(), name="ready")

    def stop(self) -> None:
        # It may be the task that closes the channel.
        if self._task and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _tell(self) -> None:
        try:
            async with asyncio.timeout(self._longest):
                await self._cold_start.wait()
        except TimeoutError:
            self._channel.shut_down("Replication connection was not established in time")
        else:
            self._channel.push_system("ok", "Replication connection established")
