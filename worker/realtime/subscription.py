"""One subscription to wake-ups, from its socket to its end."""

import asyncio
import contextlib
import re
import time
from typing import Protocol

import structlog
from realtime import AsyncRealtimeChannel, AsyncRealtimeClient, RealtimeSubscribeStates
from realtime.types import PHOENIX_CHANNEL, RealtimeChannelOptions
from websockets.asyncio import client as websockets_client
from websockets.asyncio.client import ClientConnection

log = structlog.get_logger()

TOPIC = "chat:worker"
WATCH_SECONDS = 1.0
# The library follows redirects to any host, and the secret key would be told there. It offers no option for that but
# this number, which counts the first request, too.
websockets_client.MAX_REDIRECTS = 1

HEARTBEAT_SECONDS = 15
"""The client takes no less."""
SILENT_SECONDS = 2.0 * HEARTBEAT_SECONDS
"""Without the answer to a heartbeat for as long, nothing else arrives either."""
REPLICATION_SECONDS = 65.0
"""A server that knows the question says within 60 s that it reads the database, or closes the channel."""
CLOSE_SECONDS = 1.0
"""A peer that hangs does not answer a close; the library would wait ten seconds for it."""
_REASON = re.compile(r'"reason": "([A-Za-z]+)')


class Listener(Protocol):
    """Called at the events of a subscription. No method may raise: the client would stop receiving, unlogged."""

    def joined(self) -> None: ...
    def refused(self, code: str) -> None:
        """Realtime does not let it join: the first word of its reason."""

    def flow(self) -> None:
        """What the database sends from now on arrives."""

    def hear(self) -> None:
        """A wake-up has come."""


async def listen(url: str, key: str, listener: Listener, ended: asyncio.Event) -> None:
    """Until the subscription is lost, or `ended` is set. Raises whatever the client does while it connects.

    The client's own reconnecting is off: after some seconds of outage it gives up for good, and reports it nowhere.
    """
    client = AsyncRealtimeClient(url, token=key, auto_reconnect=False, max_retries=1, hb_interval=HEARTBEAT_SECONDS)
    heart = _Heart(client)
    channel = client.channel(TOPIC, _options())
    channel.on_broadcast("wake_up", lambda _: listener.hear())
    channel.on_system(lambda said: listener.flow() if said.extension == "system" else None)

    def on_state(state: RealtimeSubscribeStates, error: Exception | None) -> None:
        if state == RealtimeSubscribeStates.SUBSCRIBED:
            listener.joined()
        else:
            listener.refused(code_of(error))
            ended.set()

    try:
        await client.connect()
        await channel.subscribe(on_state)
        joined_at = time.monotonic()
        while client.is_connected and channel.is_joined and not ended.is_set():
            if heart.silent_seconds > SILENT_SECONDS:
                log.warning("Realtime answers no heartbeat: its socket is given up.", action="wakeup_silent")
                _cut(client._ws_connection)
                break
            if time.monotonic() - joined_at > REPLICATION_SECONDS:
                listener.flow()  # it does not know the question
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await ended.wait()
    finally:
        await _close(client)


def code_of(refusal: Exception | None) -> str:
    """What comes before the colon in Realtime's reason: one word. Empty where it gave none."""
    found = _REASON.search(str(refusal))
    return found[1] if found else ""


def _options() -> RealtimeChannelOptions:
    """`replication_ready`: a join is answered before broadcasts arrive, by seconds, if no client was connected."""
    return {
        "config": {
            "private": True,
            "broadcast": {"ack": False, "self": False, "replication_ready": True},
            "presence": {"key": "", "enabled": False},
        }
    }


class _Heart(AsyncRealtimeChannel):
    """Where the answers to heartbeats arrive: the client sends them, and looks at no answer itself."""

    def __init__(self, client: AsyncRealtimeClient) -> None:
        super().__init__(client, PHOENIX_CHANNEL)
        self._beaten_at = time.monotonic()
        client.channels[PHOENIX_CHANNEL] = self

    @property
    def silent_seconds(self) -> float:
        return time.monotonic() - self._beaten_at

    def _handle_message(self, message: object) -> None:
        self._beaten_at = time.monotonic()


def _cut(connection: ClientConnection | None) -> None:
    """A peer that is silent does not answer a close either."""
    if connection is not None:
        connection.transport.abort()


async def _close(client: AsyncRealtimeClient) -> None:
    listening, connection = client._listen_task, client._ws_connection
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()
    _cut(connection)
    if listening is not None:
        # Its exception is known already; without this, Python would warn that it was never retrieved.
        await asyncio.gather(listening, return_exceptions=True)
