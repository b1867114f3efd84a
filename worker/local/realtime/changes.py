"""Row changes: who subscribed to which, and what of each change they are shown."""

import asyncio
import logging
from collections.abc import Sequence
from itertools import chain

import psycopg

from worker.local.realtime import bindings
from worker.local.realtime.bindings import Binding, BindingError
from worker.local.realtime.database import Database, DatabaseAway
from worker.local.realtime.delivery import Event, Subscriber, events_of
from worker.local.realtime.limits import Limits
from worker.local.realtime.pgoutput import Change
from worker.local.realtime.subscribing import check

logger = logging.getLogger(__name__)

LARGEST_BATCH = 100  # changes that are looked up together


class Changes:
    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        # A channel whose bindings could not be checked yet, because the database was away, has none.
        self._subscriptions: dict[Subscriber, tuple[Binding, ...]] = {}
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue()  # None: the stream was lost and is back

    async def subscribe(self, subscriber: Subscriber) -> None:
        """Tell the subscriber, when changes will reach it from now on, or why they will not."""
        try:
            wanted = tuple(bindings.parse(binding) for binding in subscriber.bindings)
            async with self._database.connection() as connection:
                for binding in wanted:
                    await check(connection, binding, subscriber.identity.role)
        except BindingError as error:
            self._subscriptions.pop(subscriber, None)
            subscriber.push_system("error", str(error), "postgres_changes")
        except DatabaseAway:
            if subscriber.is_open:
                self._subscriptions.setdefault(subscriber, ())
        else:
            if subscriber.is_open:
                self._subscriptions[subscriber] = wanted
                subscriber.push_system("ok", "Subscribed to PostgreSQL", "postgres_changes")

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self._subscriptions.pop(subscriber, None)

    def offer(self, change: Change) -> None:
        if any(
            binding.covers(change.relation.schema, change.relation.table)
            for binding in chain.from_iterable(self._subscriptions.values())
        ):
            self._queue.put_nowait(change)

    def stream_is_live(self) -> None:
        """Subscribers hear that they are subscribed (again): what was committed meanwhile is lost."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Deliver for ever, in commit order."""
        while True:
            batch = [await self._queue.get()]
            while batch[-1] is not None and not self._queue.empty() and len(batch) < LARGEST_BATCH:
                batch.append(self._queue.get_nowait())
            try:
                await self._deliver([change for change in batch if change is not None])
                if batch[-1] is None:
                    for subscriber in list(self._subscriptions):
                        await self.subscribe(subscriber)
            except (DatabaseAway, psycopg.Error) as error:
                logger.warning("row changes lost: %d (%s)", len(batch), type(error).__name__)
            except Exception:
                logger.exception("row changes lost: %d", len(batch))

    async def _deliver(self, changes: Sequence[Change]) -> None:
        if changes and self._limits.row_changes.exceeded:
            logger.warning("row changes skipped: %d (too many per second)", len(changes))
            return
        by_table: dict[int, list[int]] = {}
        for index, change in enumerate(changes):
            by_table.setdefault(change.relation.oid, []).append(index)
        found: dict[int, list[Event]] = {}
        if changes:
            async with self._database.connection() as connection:
                for indexes in by_table.values():
                    of_table = [changes[index] for index in indexes]
                    found.update(
                        zip(indexes, await events_of(connection, self._subscriptions, of_table), strict=True)
                    )
        for index in sorted(found):
            for subscriber, ids, data in found[index]:
                if subscriber.is_open:
                    self._limits.row_changes.add(len(ids))
                    subscriber.show_change(ids, data)
