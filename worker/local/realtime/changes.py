"""Subscriptions to row changes, and the poll that delivers the changes."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence

import psycopg

from worker.local.realtime import bindings, rows
from worker.local.realtime.catalogue import tables_of
from worker.local.realtime.database import Database, DatabaseAway
from worker.local.realtime.delivery import Event, Subscriber, Subscription, events_of
from worker.local.realtime.limits import Limits
from worker.local.realtime.pgoutput import Change
from worker.local.realtime.settings import Settings

logger = logging.getLogger(__name__)

LARGEST_BATCH = 100  # changes that one poll delivers
IDLE_POLLS = 5  # poll intervals between two polls while there are no changes
KEPT_WARM = 600.0  # seconds that the poller keeps running without a subscriber


class NotConnected(Exception):
    """The poller was not running and has been started: try again."""


class Changes:
    def __init__(self, database: Database, settings: Settings, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self._interval = settings.poll_interval_ms / 1000
        self._subscriptions: dict[Subscriber, Subscription] = {}
        self._queue: asyncio.Queue[Change] = asyncio.Queue()
        self._warm_until = 0.0

    async def subscribe(self, subscriber: Subscriber) -> None:
        """Deliver changes to the subscriber from now on. Raises BindingError, NotConnected or DatabaseAway."""
        if not self._subscriptions and time.monotonic() > self._warm_until:
            self._stay_warm()
            raise NotConnected
        identity = subscriber.identity
        wanted = [bindings.parse(binding) for binding in subscriber.bindings]
        try:
            async with self._database.connection() as connection:
                published = await rows.published_oids(connection)
                found = [(binding, await tables_of(connection, binding, identity.role)) for binding in wanted]
        except psycopg.Error as error:
            raise DatabaseAway from error
        if subscriber.is_open:
            self._subscriptions[subscriber] = Subscription(subscriber, identity, found, published)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        if self._subscriptions.pop(subscriber, None):
            self._stay_warm()

    def offer(self, change: Change) -> None:
        if any(subscription.covers(change.relation.oid) for subscription in self._subscriptions.values()):
            self._queue.put_nowait(change)

    def start_over(self) -> None:
        """After a reconnect to Postgres, make all channels subscribe again. Changes until then are lost."""
        lost, self._subscriptions = self._subscriptions, {}
        for subscriber in lost:
            self._stay_warm()
            subscriber.subscribe_again(at_once=False)

    async def watch_publication(self) -> None:
        """A wildcard covers the tables that were published when it was subscribed: renew it if they have changed."""
        try:
            async with self._database.connection() as connection:
                published = await rows.published_oids(connection)
        except (DatabaseAway, psycopg.Error):
            return
        for subscription in list(self._subscriptions.values()):
            if subscription.published != published:
                subscription.subscriber.subscribe_again(at_once=True)

    async def run(self) -> None:
        """Deliver until cancelled, in commit order."""
        polled_at = time.monotonic()
        while True:
            batch = [await self._queue.get()]
            # There is no poll while idle: delay delivery to the time of the real server's next poll.
            idle = IDLE_POLLS * self._interval
            since = time.monotonic() - polled_at
            await asyncio.sleep(idle - since % idle if idle else 0)
            while batch:
                while not self._queue.empty() and len(batch) < LARGEST_BATCH:
                    batch.append(self._queue.get_nowait())
                polled_at = time.monotonic()
                if not await self._deliver_or_lose(batch):
                    await asyncio.sleep(self._interval * random.uniform(1.5, 2.0))  # noqa: S311
                batch = [] if self._queue.empty() else [self._queue.get_nowait()]

    def _stay_warm(self) -> None:
        self._warm_until = time.monotonic() + KEPT_WARM

    async def _deliver_or_lose(self, batch: Sequence[Change]) -> int:
        """Returns the number of events.

        If a policy or filter of one subscriber fails, the batch is lost for all, as on the real server
        (2.129.8, lib/extensions/postgres_cdc_rls/replication_poller.ex; issues #2093 and #2098).
        """
        try:
            return await self._deliver(batch)
        except DatabaseAway:
            logger.warning("row changes lost: %d (no database)", len(batch))
        except psycopg.Error as error:
            logger.warning("row changes lost: %d, of everybody (%s)", len(batch), error.sqlstate)
        except Exception:
            logger.exception("row changes lost: %d", len(batch))
        return 0

    async def _deliver(self, changes: Sequence[Change]) -> int:
        if self._limits.row_changes.exceeded:
            logger.warning("row changes skipped: %d (too many per second)", len(changes))
            return 0
        by_table: dict[int, list[int]] = {}
        for index, change in enumerate(changes):
            by_table.setdefault(change.relation.oid, []).append(index)
        found: dict[int, list[Event]] = {}
        async with self._database.connection() as connection:
            for indexes in by_table.values():
                of_table = [changes[index] for index in indexes]
                answers = await events_of(connection, list(self._subscriptions.values()), of_table)
                found.update(zip(indexes, answers, strict=True))
        events = [event for index in sorted(found) for event in found[index] if event[0].is_open]
        for subscriber, ids, data in events:
            self._limits.row_changes.add(len(ids))
            subscriber.show_change(ids, data)
        return len(events)
