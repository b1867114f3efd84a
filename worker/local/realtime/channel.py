"""A channel of a socket, from its join to its close."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from worker.local.realtime import json_text
from worker.local.realtime.access import Access
from worker.local.realtime.authorization import Identity
from worker.local.realtime.inbox import Inbox
from worker.local.realtime.join import Admission
from worker.local.realtime.limits import Limits
from worker.local.realtime.readiness import Readiness
from worker.local.realtime.serializer import Message, UserBroadcast, Version, encode, encode_broadcast
from worker.local.realtime.services import Services
from worker.local.realtime.subscription import ChannelSubscription
from worker.local.realtime.tracking import Crashed, Misused, Refused, Tracking, check_rate

logger = logging.getLogger(__name__)


class Wire(Protocol):
    """The part of a socket that a channel uses."""

    @property
    def version(self) -> Version: ...

    def send(self, frame: str | bytes) -> None: ...

    def reply(self, message: Message, status: str, response: Mapping[str, Any], join_ref: Any) -> None: ...

    def forget(self, channel: "Channel") -> None: ...


class Channel:
    def __init__(self, wire: Wire, services: Services, join: Message, admission: Admission) -> None:
        self.topic = join.topic
        self.name = admission.name
        self.is_open = True
        self.replayed = {each.id for each in admission.replayed}
        self.access = Access(self, services, admission)
        self.subscription = ChannelSubscription(self, services.changes, services.settings)
        self._admission = admission
        self._request = admission.request
        self._wire = wire
        self._services = services
        self._join_ref = join.join_ref
        self.inbox = Inbox(self._handle_or_crash)
        self._room = admission.name, admission.request.private
        self._presence_key = admission.request.presence_key or str(uuid.uuid4())
        self._shows_presence = admission.request.presence
        self._has_begun_to_track = False
        self._tracking = Tracking(self, services.settings)
        self._readiness = Readiness(self, services.cold_start, services.settings)

    @property
    def version(self) -> Version:
        return self._wire.version

    @property
    def bindings(self) -> Sequence[Mapping[str, Any]]:
        return self._request.bindings

    @property
    def identity(self) -> Identity:
        return self.access.identity

    @property
    def limits(self) -> Limits:
        return self._services.limits

    def open(self) -> None:
        """Start to receive. Called just before the reply to the join, so that nothing is missed after it."""
        self._enter_rooms()
        self.access.watch_expiry()
        self.inbox.open()

    def greet(self) -> None:
        """Send what follows the reply to the join: replayed messages, presence, and subscriptions."""
        for each in self._admission.replayed:
            self._replay(each.broadcast)
        if self._shows_presence:
            self._show_state()
        if self._request.replication_ready:
            self._readiness.tell()
        if self.bindings and self._request.wait_ms is None:
            self.subscription.start(at_once=True)
        elif self.bindings:
            self.subscription.say_subscribed()

    def close(self) -> None:
        """Stop receiving, without a message to the client."""
        self.is_open = False
        self.inbox.close()
        self.access.stop()
        self.subscription.stop()
        self._readiness.stop()
        self._services.changes.unsubscribe(self)
        self._services.rooms.leave(*self._room, self)
        self._services.presence.leave(self._room, self)

    def shut_down(self, reason: str) -> None:
        """Close the channel with a reason. Clients do not rejoin by themselves after this."""
        if not self.is_open:
            return
        logger.info("channel closed: %s", reason)
        self.push_system("error", reason)
        self.say_closed()
        self.close()
        self._wire.forget(self)

    def say_closed(self) -> None:
        self._push("phx_close", {}, ref=self._join_ref)

    def crash(self) -> None:
        """Close the channel after an internal error. Clients rejoin after this."""
        self._push("phx_error", {}, ref=self._join_ref)
        self.close()
        self._wire.forget(self)

    def push_system(self, status: str, message: str, extension: str = "system") -> None:
        if self.is_open:
            said = {"channel": self.name, "extension": extension, "message": message, "status": status}
            self._push("system", said)

    async def _handle_or_crash(self, message: Message) -> None:
        if not self.is_open:
            return
        try:
            await self._handle(message)
        except Exception:
            logger.exception("event failed: %s on %s", message.event, message.topic)
            self.crash()

    async def _handle(self, message: Message) -> None:
        """Handle one event of the client. Unknown ones are counted and ignored, without a reply."""
        if message.event == "phx_leave":
            self._leave(message)
        elif message.event == "broadcast":
            await self._broadcast(message)
        elif message.event == "presence":
            await self._presence(message)
        elif message.event == "access_token":
            token = message.payload.get("access_token") if isinstance(message.payload, dict) else None
            if isinstance(token, str):
                await self.access.refresh(token)
        else:
            self.limits.events.add()

    def access_changed(self) -> None:
        """The channel has a new token, perhaps of another user."""
        self._enter_rooms()
        if self.bindings:
            self.subscription.start(at_once=False)

    def subscribe_again(self, *, at_once: bool) -> None:
        if self.is_open:
            self.subscription.start(at_once=at_once)

    def deliver(self, frame: str | bytes) -> None:
        """Send a broadcast; also the one that exceeds the limit, after which the channel is closed."""
        self._wire.send(frame)
        self.limits.events.add()
        if self.limits.events.exceeded:
            self.shut_down("Too many messages per second")

    def show_change(self, ids: Sequence[int], data: str) -> None:
        """`data` is JSON text."""
        if self._request.legacy:
            return self._wire.send(encode(self.version, self.topic, json_text.loads(data)["type"], data))
        payload = f'{{"ids":{json_text.dumps(list(ids))},"data":{data}}}'
        self._wire.send(encode(self.version, self.topic, "postgres_changes", payload))

    def show_presence(self, diff: str) -> None:
        """`diff` is JSON text."""
        if self.access.policies.presence:
            self.limits.presence_events.add()
            self._wire.send(encode(self.version, self.topic, "presence_diff", diff))

    def track(self, fields: Mapping[str, Any]) -> None:
        self._services.presence.track(self._room, self, self._presence_key, fields)
        # Presence state is sent after the reply.
        self._has_begun_to_track = not self._shows_presence
        self._shows_presence = True

    def untrack(self) -> None:
        self._services.presence.untrack(self._room, self)

    def _leave(self, message: Message) -> None:
        self._reply(message, "ok", {})
        self.say_closed()
        self.close()
        self._wire.forget(self)

    async def _broadcast(self, message: Message) -> None:
        if not isinstance(message.payload, dict | UserBroadcast) or not await self.access.may_write():
            return  # a denied broadcast is dropped without a reply, even if the client requested an ack
        self.limits.events.add()
        fits = self.limits.fits(_text(message.payload))
        if fits:
            without = None if self._request.broadcast_self else self
            self._services.rooms.broadcast(*self._room, message.payload, without)
        if self._request.broadcast_ack:
            # An object, although the real server's error is a string: realtime-py does not recognise that as a reply.
            self._reply(message, *(("ok", {}) if fits else ("error", {"error": "payload_size_exceeded"})))

    async def _presence(self, message: Message) -> None:
        try:
            await self._tracking.handle(message.payload)
        except Refused as refusal:
            self._reply(message, "error", refusal.response)
        except Misused as reason:
            self.shut_down(str(reason))
        except Crashed:
            self.crash()
        else:
            self._reply(message, "ok", {})
            if self._has_begun_to_track:
                self._has_begun_to_track = False
                self._show_state()

    def _enter_rooms(self) -> None:
        if self.access.policies.broadcast:
            self._services.rooms.enter(*self._room, self)
        self._services.presence.enter(self._room, self)

    def _show_state(self) -> None:
        if not self.access.policies.presence:
            return
        try:
            check_rate(self.limits)
        except Misused as reason:
            return self.shut_down(str(reason))
        self._push("presence_state", self._services.presence.state(self._room))

    def _replay(self, broadcast: UserBroadcast) -> None:
        """JSON payloads are sent as text frames with the channel's join_ref."""
        frame = encode_broadcast(self.version, self.topic, broadcast, self._join_ref, as_text=broadcast.is_json)
        if frame is not None:
            self._wire.send(frame)

    def _reply(self, message: Message, status: str, response: Mapping[str, Any]) -> None:
        self._wire.reply(message, status, response, self._join_ref)

    def _push(self, event: str, payload: Mapping[str, Any], ref: Any = None) -> None:
        text = json_text.dumps(payload)
        self._wire.send(encode(self.version, self.topic, event, text, ref, self._join_ref))


def _text(payload: dict[str, Any] | UserBroadcast) -> str | bytes:
    return payload.payload if isinstance(payload, UserBroadcast) else json_text.dumps(payload)
