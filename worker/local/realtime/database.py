"""Pooled connections to Postgres, for queries on permissions, rows and the catalogue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

# Rows have the shape that each query selects.
Connection = psycopg.AsyncConnection[tuple[Any, ...]]

MOST_CONNECTIONS = 8
PATIENCE = 5.0  # seconds to wait for a connection
# A slow policy must not block the row changes of all others.
STATEMENT_TIMEOUT = "-c statement_timeout=8s"


class DatabaseAway(Exception):
    """Postgres does not answer, or was lost while answering."""


@asynccontextmanager
async def rolled_back(connection: Connection) -> AsyncIterator[None]:
    """A transaction that is always rolled back."""
    async with connection.transaction(force_rollback=True):
        yield


class Database:
    def __init__(self, url: str) -> None:
        self._pool = AsyncConnectionPool(
            url,
            connection_class=Connection,
            kwargs={"autocommit": True, "options": STATEMENT_TIMEOUT, "application_name": "realtime"},
            min_size=1,
            max_size=MOST_CONNECTIONS,
            timeout=PATIENCE,
            # The pool retries with growing pauses; after this timeout the next query tries at once.
            reconnect_timeout=PATIENCE,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def open(self) -> None:
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()

    async def replace_lost_connections(self) -> None:
        """Check all connections at once. One by one, on use, the pool would pause longer after each lost one."""
        await self._pool.check()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Raises DatabaseAway; errors of a statement stay psycopg.Error."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise DatabaseAway from error
        except psycopg.OperationalError as error:
            if isinstance(error, psycopg.errors.QueryCanceled):
                raise
            raise DatabaseAway from error

    async def answers(self) -> bool:
        try:
            async with self.connection() as connection:
                await connection.execute("select 1")
        except DatabaseAway:
            return False
        return True

    async def make_partitions(self) -> None:
        """Create those of realtime.messages for the days around today, and drop those older than three days."""
        async with self.connection() as connection:
            await connection.execute("select realtime.make_partitions()")
            await connection.execute(
                "select realtime.drop_partitions((now() at time zone 'utc' - interval '72 hours')::date)"
            )

    async def drop_partitions(self) -> None:
        """Drop all of them with their rows."""
        async with self.connection() as connection:
            await connection.execute("select realtime.drop_partitions(null)")
