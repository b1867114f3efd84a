"""A channel's subscription to row changes: repeated until it succeeds, with system messages to the client."""

import asyncio
import logging
import random
import time
from typing import Protocol

from worker.local.realtime.bindings import BindingError
from worker.local.realtime.changes import Changes, NotConnected
from worker.local.realtime.database import DatabaseAway
from worker.local.realtime.delivery import Subscriber
from worker.local.realtime.settings import Settings

logger = logging.getLogger(__name__)

AWAY = "Realtime was unable to connect to the project database"


class SubscribeTimeout(Exception):
    """The subscription did not succeed within the time that the client waits."""


class Told(Subscriber, Protocol):
    def push_system(self, status: str, message: str, extension: str = ...) -> None: ...


class ChannelSubscription:
    """All pauses are multiples of `settings.subscribe_pause_ms`; the real server's unit is one second."""

    def __init__(self, channel: Told, changes: Changes, settings: Settings) -> None:
        self._channel = channel
        self._changes = changes
        self._pause = settings.subscribe_pause_ms / 1000
        self._task: asyncio.Task[None] | None = None

    async def wait(self, longest: float) -> None:
        """Subscribe before the join is answered. Raises BindingError or SubscribeTimeout."""
        deadline = time.monotonic() + longest
        while True:
            try:
                return await self._changes.subscribe(self._channel)
            except (NotConnected, DatabaseAway) as error:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise SubscribeTimeout from error
                await asyncio.sleep(min(remaining, self._pause * random.uniform(0.1, 1.0)))  # noqa: S311

    def start(self, *, at_once: bool) -> None:
        """Subscribe in the background, in place of an earlier subscription or attempt."""
        self.stop()
        delay = 0.0 if at_once else self._between(1, 3)
        self._task = asyncio.create_task(self._run(delay), name="subscribe")

    def stop(self) -> None:
        if self._task:
            self._task.cancel()

    def say_subscribed(self) -> None:
        self._channel.push_system("ok", "Subscribed to PostgreSQL", "postgres_changes")

    async def _run(self, delay: float) -> None:
        while True:
            await asyncio.sleep(delay)
            try:
                await self._changes.subscribe(self._channel)
            except NotConnected:
                delay = self._between(1, 3)
            except DatabaseAway:
                self._channel.push_system("error", AWAY, "postgres_changes")
                delay = self._between(5, 10)
            except BindingError as error:  # a repetition would fail as well
                self._changes.unsubscribe(self._channel)
                return self._channel.push_system("error", str(error), "postgres_changes")
            except Exception:
                logger.exception("subscribing to row changes failed")
                self._channel.push_system("error", "Unknown Error on Channel", "postgres_changes")
                delay = self._between(5, 10)
            else:
                return self.say_subscribed()

    def _between(self, least: float, most: float) -> float:
        return self._pause * random.uniform(least, most)  # noqa: S311
