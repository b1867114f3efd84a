"""A WebSocket: handles its frames one after another, and holds its channels."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from worker.local.realtime import bindings, json_text
from worker.local.realtime.authorization import Identity
from worker.local.realtime.bindings import BindingError
from worker.local.realtime.channel import Channel
from worker.local.realtime.join import JoinRefused, TooManyJoins, admit
from worker.local.realtime.rooms import TOPIC_PREFIX
from worker.local.realtime.serializer import BadFrame, Message, Version, decode, encode
from worker.local.realtime.services import Services
from worker.local.realtime.subscription import SubscribeTimeout

logger = logging.getLogger(__name__)

MOST_UNHANDLED = 100  # frames of one peer; with more, reading from that peer pauses


class Socket:
    def __init__(self, websocket: WebSocket, services: Services, version: Version, handshake: Identity) -> None:
        self.version = version
        self._websocket = websocket
        self._services = services
        self.handshake = handshake
        self.opened_at = time.monotonic()
        self._channels: dict[str, Channel] = {}
        self._had_channels = False
        # Unbounded, so that a slow peer does not delay others; one with too much unread data is disconnected.
        self._outbox: asyncio.Queue[str | bytes | int] = asyncio.Queue()
        self._unread = 0  # characters or bytes
        self._reads_too_slowly = asyncio.Event()
        self._inbox: asyncio.Queue[str | bytes] = asyncio.Queue(MOST_UNHANDLED)

    async def run(self) -> None:
        """Until the peer disconnects, is idle or without a channel for too long, or reads too slowly."""
        ends = [asyncio.create_task(each) for each in (self._read(), self._look_for_channels(), self._fall_behind())]
        tasks = [*ends, asyncio.create_task(self._write()), asyncio.create_task(self._handle_all())]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            for channel in self._channels.values():
                channel.close()
            self._services.limits.remove_user(self)
            if not self._services.limits.has_users:
                self._services.cold_start.all_left()

    @property
    def channel_count(self) -> int:
        return len(self._channels)

    @property
    def role(self) -> str:
        return self.handshake.role

    def has_joined(self, name: str) -> bool:
        return TOPIC_PREFIX + name in self._channels

    def close(self, code: int) -> None:
        """Close after all queued frames are sent."""
        self._outbox.put_nowait(code)

    def send(self, frame: str | bytes) -> None:
        self._outbox.put_nowait(frame)
        self._unread += len(frame)
        if self._unread > self._services.settings.max_unread_mb * 1_000_000:
            self._reads_too_slowly.set()

    def reply(self, message: Message, status: str, response: Mapping[str, Any], join_ref: Any = None) -> None:
        payload = json_text.dumps({"status": status, "response": response})
        self.send(encode(self.version, message.topic, "phx_reply", payload, message.ref, join_ref))

    def forget(self, channel: Channel) -> None:
        if self._channels.get(channel.topic) is channel:
            del self._channels[channel.topic]

    async def _write(self) -> None:
        try:
            while True:
                frame = await self._outbox.get()
                self._unread -= 0 if isinstance(frame, int) else len(frame)
                if self._services.faults.swallow(self, "down"):
                    continue
                if isinstance(frame, bytes):
                    await self._websocket.send_bytes(frame)
                elif isinstance(frame, int):
                    return await self._websocket.close(frame)
                else:
                    await self._websocket.send_text(frame)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the peer has disconnected, which ends _read

    async def _read(self) -> None:
        """Separate from the handling, so that a disconnect during a delayed join is noticed at once."""
        while True:
            try:
                async with asyncio.timeout(self._services.settings.idle_timeout_ms / 1000):
                    received = await self._websocket.receive()
            except TimeoutError:
                if self._services.faults.swallow(self, "down"):
                    continue  # the close frame is lost as well
                return await self._websocket.close(1000)
            if received["type"] == "websocket.disconnect":
                return
            if self._services.faults.swallow(self, "up"):
                continue
            text = received.get("text")
            await self._inbox.put(received["bytes"] if text is None else text)

    async def _look_for_channels(self) -> None:
        """Ends a socket that had channels and has none any more, without a close frame."""
        while True:
            await asyncio.sleep(self._services.settings.no_channel_timeout_ms / 1000)
            if self._had_channels and not self._channels:
                return

    async def _fall_behind(self) -> None:
        """2.129.8, lib/realtime_web/channels/user_socket.ex: its process is killed at 50 MB of heap."""
        await self._reads_too_slowly.wait()

    async def _handle_all(self) -> None:
        """One frame at a time: frames wait while a join runs. Channels handle their own frames independently."""
        while True:
            try:
                message = decode(self.version, await self._inbox.get())
            except BadFrame as error:
                logger.warning("frame dropped: %s", error)
            else:
                await self._handle(message)

    async def _handle(self, message: Message) -> None:
        if (message.topic, message.event) == ("phoenix", "heartbeat"):
            self.reply(message, "ok", {})
        elif message.event == "phx_join":
            await self._join(message)
        elif (channel := self._channels.get(message.topic)) is not None:
            await channel.inbox.put(message)
        elif message.event == "phx_leave":
            self.reply(message, "ok", {}, message.join_ref)
        else:
            self.reply(message, "error", {"reason": "unmatched topic"})

    async def _join(self, message: Message) -> None:
        if not message.topic.startswith(TOPIC_PREFIX):
            return self.reply(message, "error", {"reason": "unmatched topic"})
        if (former := self._channels.get(message.topic)) is not None:
            await former.inbox.leave()
            self.forget(former)
            # The real server also sends a phx_close with the old join_ref after the new reply. It is left out, since
            # realtime-py would close the new channel.
            former.close()
        try:
            admission = await admit(self._services, self, message.topic, message.payload)
            channel = Channel(self, self._services, message, admission)
            await self._wait_for_changes(channel, admission.request.wait_ms)
        except JoinRefused as refusal:
            return await self._refuse(message, refusal)
        except Exception:
            logger.exception("join failed")
            return await self._refuse(message, JoinRefused("Unknown Error on Channel"))
        self._services.limits.add_user(self)
        self._had_channels = True
        self._channels[message.topic] = channel
        channel.open()
        self.reply(message, "ok", {"postgres_changes": bindings.echo(channel.bindings)}, message.join_ref)
        channel.greet()

    async def _wait_for_changes(self, channel: Channel, wait_ms: int | None) -> None:
        """Delay the reply until row changes are subscribed, if the client requests that."""
        if not channel.bindings or wait_ms is None:
            return
        try:
            await channel.subscription.wait(wait_ms / 1000)
        except BindingError as error:
            raise JoinRefused(f"RealtimeDisabledForConfiguration: {error}") from error
        except SubscribeTimeout as error:
            raise JoinRefused(
                f"PostgresChangesSubscribeTimeout: Timed out after {wait_ms}ms"
                " waiting for the postgres_changes subscription"
            ) from error

    async def _refuse(self, message: Message, refusal: JoinRefused) -> None:
        # Only the reason's name: the rest may contain text of the client.
        logger.info("join refused: %s", str(refusal).partition(":")[0])
        await asyncio.sleep(self._services.settings.channel_error_backoff_ms / 1000)
        self.reply(message, "error", {"reason": str(refusal)}, message.join_ref)
        if isinstance(refusal, TooManyJoins):
            self.close(1001)
