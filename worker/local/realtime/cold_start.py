"""A cold project: joins are answered at once, but broadcasts of the database are delivered only some time later.

The real server drops its connection to a project's database when no socket has been joined for about eleven
minutes, and when it moves the project to another node. The next join waits until it is connected again, and
replication is started beside the joins: what is committed before it runs is never delivered (2.129.8,
lib/realtime/tenants/connect.ex).
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from worker.local.realtime.pgoutput import Change
from worker.local.realtime.settings import Settings


class ColdStart:
    """Whether replication runs. With a delay of 0 the project is never cold."""

    def __init__(self, settings: Settings) -> None:
        self._delay = settings.replication_start_ms / 1000
        self._kept_warm = settings.cold_after_ms / 1000
        self._flows = asyncio.Event()
        self._since = datetime.min.replace(tzinfo=UTC)
        self._timer: asyncio.TimerHandle | None = None
        if not self._delay:
            self._flows.set()

    def delivers(self, broadcast: Change) -> bool:
        """Whether this broadcast was committed while replication ran."""
        return self._flows.is_set() and broadcast.committed_at >= self._since

    async def wait(self) -> None:
        """Wait until replication runs."""
        await self._flows.wait()

    def joined(self) -> None:
        if self._flows.is_set():
            self._stop_timer()
        elif self._timer is None:
            self._after(self._delay, self._start)

    def all_left(self) -> None:
        """The last socket that had joined a channel is gone."""
        if self._delay and self._flows.is_set():
            self._after(self._kept_warm, self._go_cold)

    def _start(self) -> None:
        self._timer, self._since = None, datetime.now(UTC)
        self._flows.set()

    def _go_cold(self) -> None:
        self._timer = None
        self._flows.clear()

    def _after(self, seconds: float, do: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, do)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
