"""Streams row changes from the write-ahead log, in commit order."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ
from psycopg2.extensions import connection as Connection
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor

from worker.local.realtime.database import DatabaseAway
from worker.local.realtime.pgoutput import Change, Decoder

logger = logging.getLogger(__name__)

PUBLICATIONS = "supabase_realtime,supabase_realtime_messages_publication"
PATIENCE = 5.0  # seconds that a join waits for the stream
CONNECT_TIMEOUT = 30.0  # seconds; creating a slot waits for open transactions
STATUS_INTERVAL = 5.0  # seconds between status reports; Postgres disconnects after 60 without one
RETRY_PAUSES = (0.1, 0.2, 0.5, 1.0)  # seconds
BURST = 100  # messages that are read before other tasks may run


class Capture:
    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._live = asyncio.Event()

    @property
    def is_live(self) -> bool:
        return self._live.is_set()

    async def wait_until_live(self) -> None:
        """Raises DatabaseAway."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._live.wait()
        except TimeoutError as error:
            raise DatabaseAway from error

    async def run(self, on_change: Callable[[Change], None], on_live: Callable[[], Awaitable[None]]) -> None:
        """Stream until cancelled; `on_live` is called after each connect. Changes that are committed while it is not
        connected are lost."""
        failures = 0
        while True:
            try:
                await self._stream(on_change, on_live)
            except (psycopg2.Error, TimeoutError, OSError) as error:
                logger.warning("write-ahead log lost (%s): connecting again", _first_line(error))
            except Exception:
                logger.exception("write-ahead log not understood: connecting again")
            finally:
                failures = 0 if self.is_live else failures + 1
                self._live.clear()
            await asyncio.sleep(RETRY_PAUSES[min(failures, len(RETRY_PAUSES) - 1)])

    async def _stream(self, on_change: Callable[[Change], None], on_live: Callable[[], Awaitable[None]]) -> None:
        connection = psycopg2.connect(
            self._database_url, connection_factory=LogicalReplicationConnection, async_=True
        )
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                cursor = await _start(connection)
            logger.info("write-ahead log: live")
            await on_live()
            self._live.set()
            await _follow(connection, cursor, on_change)
        finally:
            connection.close()


async def _start(connection: Connection) -> ReplicationCursor:
    """Creates a temporary slot, which is dropped with the connection, so that Postgres keeps no log for it."""
    await _ready(connection)
    cursor: ReplicationCursor = connection.cursor()
    slot = f"supabase_realtime_slot_{secrets.token_hex(6)}"
    cursor.execute(f"CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT")
    await _ready(connection)
    cursor.start_replication(
        slot_name=slot,
        decode=False,
        status_interval=STATUS_INTERVAL,
        options={"proto_version": "1", "publication_names": PUBLICATIONS},
    )
    await _ready(connection)
    return cursor


async def _follow(connection: Connection, cursor: ReplicationCursor, on_change: Callable[[Change], None]) -> None:
    decoder = Decoder()
    readable = asyncio.Event()
    loop, descriptor = asyncio.get_running_loop(), connection.fileno()
    loop.add_reader(descriptor, readable.set)
    try:
        while True:
            readable.clear()
            count = 0
            while (message := cursor.read_message()) is not None:
                change = decoder.decode(message.payload)
                if change is not None:
                    on_change(change)
                count += 1
                if count % BURST == 0:
                    await asyncio.sleep(0)
            # Postgres keeps unconfirmed log, and waits for its confirmation at a shutdown.
            cursor.send_feedback(write_lsn=cursor.wal_end, flush_lsn=cursor.wal_end)
            try:
                async with asyncio.timeout(STATUS_INTERVAL):
                    await readable.wait()
            except TimeoutError:
                pass
    finally:
        loop.remove_reader(descriptor)


async def _ready(connection: Connection) -> None:
    """Wait until an asynchronous connection has completed its operation."""
    loop = asyncio.get_running_loop()
    while (state := connection.poll()) != POLL_OK:
        ready = asyncio.Event()
        descriptor = connection.fileno()
        watch, unwatch = (
            (loop.add_reader, loop.remove_reader) if state == POLL_READ else (loop.add_writer, loop.remove_writer)
        )
        watch(descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            unwatch(descriptor)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
