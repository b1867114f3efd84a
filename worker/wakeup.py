"""The Realtime subscription: rebuilt for ever, and never more than a hint. It sets one event."""

import asyncio
import contextlib
import time

import structlog
from realtime import AsyncRealtimeClient, RealtimeSubscribeStates

from worker import metrics
from worker.config import WorkerSettings

log = structlog.get_logger()

TOPIC = "chat:worker"
WATCH_SECONDS = 1.0
BACKOFF_SECONDS = (1.0, 2.0, 5.0)


class WakeUp:
    """`event` is set at every wake-up, and after every subscription: something may have come before it."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.event = asyncio.Event()
        self.heard_at: float | None = None
        """When the first wake-up since the last `take` was heard, by the monotonic clock."""
        self.subscribed = False
        self.changed_at = time.monotonic()
        """Since when it is subscribed, or not."""
        self._url = f"{settings.supabase_url.rstrip('/')}/realtime/v1"
        self._key = settings.supabase_secret_key.get_secret_value()

    def hear(self) -> None:
        """A wake-up has come."""
        metrics.WAKEUPS.inc()
        if self.heard_at is None:
            self.heard_at = time.monotonic()
        self.event.set()

    def take(self) -> float | None:
        """Clear the event; answers `heard_at`."""
        heard_at, self.heard_at = self.heard_at, None
        self.event.clear()
        return heard_at

    async def run(self) -> None:
        """Subscribe, watch, and build a new client when the subscription is lost.

        The client's own reconnecting is off: after some seconds of outage it gives up for good, and says so
        to nobody.
        """
        failures = 0
        while True:
            try:
                await self._subscribe_and_watch()
                failures = 0
            except Exception as error:  # whatever it is, deafness is the one thing that must not last
                log.warning("Realtime cannot be reached.", action="wakeup_failed", error=type(error).__name__)
            if self.subscribed:
                failures = 0
                log.warning("The Realtime subscription is lost.", action="wakeup_lost")
                # Whoever waits for a sweep waits by the slow rule: from now on the fast one holds.
                self.event.set()
            self._is_subscribed(False)
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            failures += 1

    def _is_subscribed(self, subscribed: bool) -> None:
        if subscribed is not self.subscribed:
            self.changed_at = time.monotonic()
        self.subscribed = subscribed
        metrics.SUBSCRIBED.set(subscribed)

    async def _subscribe_and_watch(self) -> None:
        client = AsyncRealtimeClient(self._url, token=self._key, auto_reconnect=False, max_retries=1)
        lost = asyncio.Event()
        channel = client.channel(
            TOPIC,
            {
                "config": {
                    "private": True,
                    "broadcast": {"ack": False, "self": False},
                    "presence": {"key": "", "enabled": False},
                }
            },
        )
        # A callback that raises ends all reception without a sign: these cannot raise.
        channel.on_broadcast("wake_up", lambda _: self.hear())

        def on_state(state: RealtimeSubscribeStates, _: Exception | None) -> None:
            if state == RealtimeSubscribeStates.SUBSCRIBED:
                self._is_subscribed(True)
                self.event.set()
                log.info("Subscribed to wake-ups.", action="wakeup_subscribed")
            else:
                lost.set()

        try:
            await client.connect()
            await channel.subscribe(on_state)
            while client.is_connected and not lost.is_set() and channel.is_joined:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WATCH_SECONDS):
                        await lost.wait()
        finally:
            await _close(client)


async def _close(client: AsyncRealtimeClient) -> None:
    listening = client._listen_task
    with contextlib.suppress(Exception):
        await client.close()
    if listening is not None:
        # Its exception is known already; left alone, Python would complain that nobody asked for it.
        await asyncio.gather(listening, return_exceptions=True)
