"""The partitions of realtime.messages, one for each day: created, dropped when they are old, or missing for tests.

The real server creates them when it connects to a project, and every four hours while it is connected. A project
without clients for three days has none for today, and `realtime.send` stores nothing there (2.129.8,
lib/realtime/tenants/connect.ex, lib/realtime/tenants/janitor/maintenance_task.ex).
"""

import asyncio
import logging

import psycopg

from worker.local.realtime import settings
from worker.local.realtime.database import Database, DatabaseAway

logger = logging.getLogger(__name__)

PAUSE = 4 * 3600.0  # seconds between two rounds
RETRY = 60.0  # seconds after a failure
FIRST_RETRY = 0.5  # seconds; until the first success the server is not ready


class Partitions:
    def __init__(self, database: Database, made: settings.Partitions) -> None:
        self._database = database
        self._made = made
        self._joined = False
        self.are_settled = False  # whether the work of the start is done

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._maintain()
                self.are_settled, pause = True, PAUSE
            except (DatabaseAway, psycopg.Error) as error:
                logger.info("partitions not maintained yet (%s)", type(error).__name__)
                pause = RETRY if self.are_settled else FIRST_RETRY
            await asyncio.sleep(pause)

    async def make_at_join(self) -> None:
        """Called before a join is accepted; the first time it may create partitions. Raises DatabaseAway."""
        if not self._joined and self._made is settings.Partitions.AT_JOIN:
            await self._database.make_partitions()
        self._joined = True

    async def _maintain(self) -> None:
        if self._made is settings.Partitions.AT_START or (self._made is settings.Partitions.AT_JOIN and self._joined):
            await self._database.make_partitions()
        elif not self.are_settled:
            await self._database.drop_partitions()
