"""A subscription to wake-ups, from the connection of its socket to its end."""

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
# By default, the library follows redirects to any host, which would get the secret key. This number, which includes
# the first request, is the only way to prevent that.
websockets_client.MAX_REDIRECTS = 1

HEARTBEAT_SECONDS = 15
"""The least that the client accepts."""
SILENT_SECONDS = 2.0 * HEARTBEAT_SECONDS
"""After so long without the answer to a heartbeat, the connection is taken for dead."""
REPLICATION_SECONDS = 65.0
"""A server that supports `replication_ready` reports within 60 s that broadcasts arrive, or closes the channel."""
CLOSE_SECONDS = 1.0
"""A hanging peer does not answer a close frame, for which the library would wait ten seconds."""
_REASON = re.compile(r'"reason": "([A-Za-z]+)')


class Listener(Protocol):
    """Called for the events of a subscription. No method may raise: the client would stop receiving silently."""

    def joined(self) -> None:
        """The channel has been joined."""

    def refused(self, code: str) -> None:
        """Realtime has refused the join. `code`: see `code_of`."""

    def flow(self) -> None:
        """From now on, broadcasts of the database arrive."""

    def hear(self) -> None:
        """A wake-up has arrived."""


async def listen(url: str, key: str, listener: Listener, ended: asyncio.Event) -> None:
    """Subscribe, and return when the subscription is lost or `ended` is set. Raises any exception of the client while
    it connects.

    The client's own reconnecting is off: after some seconds of outage it stops for good without an error.
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
                listener.flow()  # the server does not support replication_ready
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await ended.wait()
    finally:
        await _close(client)


def code_of(refusal: Exception | None) -> str:
    """The word before the colon in Realtime's reason; empty without one."""
    found = _REASON.search(str(refusal))
    return found[1] if found else ""


def _options() -> RealtimeChannelOptions:
    """`replication_ready`: request a message when broadcasts arrive, which may be seconds after the join."""
    return {
        "config": {
            "private": True,
            "broadcast": {"ack": False, "self": False, "replication_ready": True},
            "presence": {"key": "", "enabled": False},
        }
    }


class _Heart(AsyncRealtimeChannel):
    """Receives the answers to heartbeats, which the client sends, but whose answers it ignores."""

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
    """Close without a close frame, which a silent peer would not answer."""
    if connection is not None:
        connection.transport.abort()


async def _close(client: AsyncRealtimeClient) -> None:
    listening, connection = client._listen_task, client._ws_connection
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()
    _cut(connection)
    if listening is not None:
        # Retrieves its exception, which is already handled: otherwise Python logs a warning.
        await asyncio.gather(listening, return_exceptions=True)
