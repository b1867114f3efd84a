"""The partitions of realtime.messages, one for each day: made, dropped when they are old, or missing.

The real server makes them when it connects to a project, and every four hours for those that it is connected
to. A project that nobody has connected to for three days has none for today: `realtime.send` stores nothing
there (2.129.8, lib/realtime/tenants/connect.ex, lib/realtime/tenants/janitor/maintenance_task.ex).
"""

import asyncio
import logging

import psycopg

from worker.local.realtime import settings
from worker.local.realtime.database import Database, DatabaseAway

logger = logging.getLogger(__name__)

PAUSE = 4 * 3600.0  # seconds
RETRY = 60.0  # seconds
FIRST_RETRY = 0.5  # seconds; nothing is served before


class Partitions:
    def __init__(self, database: Database, made: settings.Partitions) -> None:
        self._database = database
        self._made = made
        self._joined = False
        self.are_settled = False  # what is to be done at the start is done

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self._maintain()
                self.are_settled, pause = True, PAUSE
            except (DatabaseAway, psycopg.Error) as error:
                logger.info("partitions not maintained yet (%s)", type(error).__name__)
                pause = RETRY if self.are_settled else FIRST_RETRY
            await asyncio.sleep(pause)

    async def make_at_join(self) -> None:
        """Before the first join is let in. Raises DatabaseAway."""
        if not self._joined and self._made is settings.Partitions.AT_JOIN:
            await self._database.make_partitions()
        self._joined = True

    async def _maintain(self) -> None:
        if self._made is settings.Partitions.AT_START or (self._made is settings.Partitions.AT_JOIN and self._joined):
            await self._database.make_partitions()
        elif not self.are_settled:
            await self._database.drop_partitions()
