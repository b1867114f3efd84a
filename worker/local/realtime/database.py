"""Connections for questions: who may, what is visible, which columns there are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

# Rows are of whatever shape a query asks for.
Connection = psycopg.AsyncConnection[tuple[Any, ...]]

MOST_CONNECTIONS = 8
PATIENCE = 5.0  # seconds to wait for a connection
# One policy that sleeps must not stop the row changes of everybody else.
STATEMENT_TIMEOUT = "-c statement_timeout=8s"


class DatabaseAway(Exception):
    """Postgres does not answer, or was lost while answering."""


@asynccontextmanager
async def rolled_back(connection: Connection) -> AsyncIterator[None]:
    """A transaction that leaves nothing behind."""
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
            # The pool retries with growing pauses; giving up early means the next question tries at once.
            reconnect_timeout=PATIENCE,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def open(self) -> None:
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()

    async def replace_lost_connections(self) -> None:
        """All at once: one by one, as they are asked for, the pool pauses ever longer after each."""
        await self._pool.check()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Raises DatabaseAway; what Postgres answers to a statement stays a psycopg.Error."""
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
        """Those of realtime.messages for the days around today; those that are more than three days old go."""
        async with self.connection() as connection:
            await connection.execute("select realtime.make_partitions()")
            await connection.execute(
                "select realtime.drop_partitions((now() at time zone 'utc' - interval '72 hours')::date)"
            )

    async def drop_partitions(self) -> None:
        """All of them, and what is stored in them."""
        async with self.connection() as connection:
            await connection.execute("select realtime.drop_partitions(null)")
