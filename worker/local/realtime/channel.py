"""One channel of one socket, from its join to its close."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from worker.local.realtime import json_text, tokens
from worker.local.realtime.authorization import Identity, ReadPolicies
from worker.local.realtime.database import DatabaseAway
from worker.local.realtime.join import Admission
from worker.local.realtime.serializer import Message, UserBroadcast, Version, encode
from worker.local.realtime.services import Services

logger = logging.getLogger(__name__)

# A timer counts awake time only: after a suspended laptop wakes, expiry is noticed within this.
LONGEST_TIMER = 300.0  # seconds


class Wire(Protocol):
    """The socket, as a channel knows it."""

    @property
    def version(self) -> Version: ...

    def send(self, frame: str | bytes) -> None: ...

    def reply(self, message: Message, status: str, response: Mapping[str, Any]) -> None: ...

    def forget(self, channel: "Channel") -> None: ...


class Channel:
    def __init__(self, wire: Wire, services: Services, join: Message, admission: Admission) -> None:
        self.topic = join.topic
        self.name = admission.name
        self.identity = admission.identity
        self.bindings = admission.request.bindings
        self.is_open = True
        self._request = admission.request
        self._token = admission.request.access_token
        self._policies = admission.policies
        self._may_write: bool | None = None  # asked at the first broadcast
        self._wire = wire
        self._services = services
        self._join_ref = join.join_ref if join.join_ref is not None else join.ref
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def version(self) -> Version:
        return self._wire.version

    def deliver(self, frame: str | bytes) -> None:
        """A broadcast. It is heard even if it is the one too many."""
        self._wire.send(frame)
        self._services.limits.events.add()
        if self._services.limits.events.exceeded:
            self.shut_down("Too many messages per second")

    def show_change(self, ids: Sequence[int], data: str) -> None:
        """`data` is JSON text."""
        payload = f'{{"ids":{json_text.dumps(list(ids))},"data":{data}}}'
        self._wire.send(encode(self.version, self.topic, "postgres_changes", payload))

    def open(self) -> None:
        """Begin to hear. Called right before the reply to the join, so that nothing is missed after it."""
        if self._policies.broadcast:
            self._services.rooms.enter(self.name, self._request.private, self)
        self._watch_expiry()

    async def greet(self) -> None:
        """What follows the reply to the join."""
        if self._request.presence and self._policies.presence:
            self._push("presence_state", {})
        if self._request.replication_ready:
            self.push_system("ok", "Replication connection established")
        if self.bindings:
            await self._services.changes.subscribe(self)

    def close(self) -> None:
        """Stop hearing. Says nothing to the client."""
        self.is_open = False
        if self._expiry:
            self._expiry.cancel()
        self._services.rooms.leave(self.name, self._request.private, self)
        self._services.changes.unsubscribe(self)

    def shut_down(self, reason: str) -> None:
        """The server ends the channel: no client joins again by itself after this."""
        logger.info("channel closed: %s on %s", reason, self.topic)
        self.push_system("error", reason)
        self.say_closed()
        self.close()
        self._wire.forget(self)

    def say_closed(self) -> None:
        self._push("phx_close", {}, ref=self._join_ref)

    def crash(self) -> None:
        """Something of ours failed: the client joins again."""
        self._push("phx_error", {}, ref=self._join_ref)
        self.close()
        self._wire.forget(self)

    def push_system(self, status: str, message: str, extension: str = "system") -> None:
        self._push(
            "system",
            {"channel": self.name, "extension": extension, "message": message, "status": status},
        )

    async def handle(self, message: Message) -> None:
        """One event of the client's. Unknown ones are ignored, without a reply."""
        if message.event == "broadcast":
            await self._broadcast(message)
        elif message.event == "access_token":
            await self._change_token(message.payload)
        else:
            logger.debug("event ignored: %s on %s", message.event, self.topic)

    async def _broadcast(self, message: Message) -> None:
        if not isinstance(message.payload, dict | UserBroadcast) or not await self._write_allowed():
            return  # a broadcast that is denied is dropped without a word, even if an ack was asked for
        self._services.limits.events.add()
        fits = self._services.limits.fits(_text(message.payload))
        if fits:
            without = None if self._request.broadcast_self else self
            self._services.rooms.broadcast(self.name, self._request.private, message.payload, without)
        if self._request.broadcast_ack:
            # The real server's error is a bare string, which realtime-py takes for no reply at all.
            self._wire.reply(message, *(("ok", {}) if fits else ("error", {"error": "payload_size_exceeded"})))

    async def _write_allowed(self) -> bool:
        if not self._request.private:
            return True
        if self._may_write is None:
            try:
                self._may_write = await self._services.authorization.may_write(self.identity, self.name)
            except DatabaseAway:
                return False  # not remembered: the next broadcast asks again
        return self._may_write

    async def _change_token(self, payload: Any) -> None:
        token = payload.get("access_token") if isinstance(payload, dict) else None
        if not isinstance(token, str) or tokens.is_opaque(token) or token == self._token:
            return
        try:
            claims = tokens.verify(token, self._services.settings.jwt_secret)
        except tokens.TokenError as error:
            return self.shut_down(error.on_channel)
        identity = Identity(claims, self.identity.headers)
        if self._request.private and (refusal := await self._refusal(identity)):
            return self.shut_down(refusal)
        self.identity, self._token, self._may_write = identity, token, None
        self._watch_expiry()
        if self.bindings:
            await self._services.changes.subscribe(self)

    async def _refusal(self, identity: Identity) -> str | None:
        """Why the channel cannot go on under another token; None if it can, with the policies it has now."""
        try:
            now = await self._services.authorization.read_policies(
                identity, self.name, with_presence=self._request.presence
            )
        except DatabaseAway:
            return "Realtime was unable to connect to the project database"
        before, self._policies = self._policies, now
        if not now.any:
            return f"You do not have permissions to read from this Channel topic: {self.name}"
        if _lost(before, now):
            return f"You no longer have permission to read from this Channel topic: {self.name}"
        if now.broadcast:
            self._services.rooms.enter(self.name, self._request.private, self)
        return None

    def _watch_expiry(self) -> None:
        if self._expiry:
            self._expiry.cancel()
        remaining = tokens.seconds_left(self.identity.claims)
        if remaining is not None:
            delay = max(0.0, min(LONGEST_TIMER, remaining))
            self._expiry = asyncio.get_running_loop().call_later(delay, self._check_expiry)

    def _check_expiry(self) -> None:
        try:
            tokens.check_expiry(self.identity.claims)
        except tokens.TokenError as error:
            self.shut_down(error.on_channel)
        else:
            self._watch_expiry()

    def _push(self, event: str, payload: Mapping[str, Any], ref: Any = None) -> None:
        text = json_text.dumps(payload)
        self._wire.send(encode(self.version, self.topic, event, text, ref, self._join_ref))


def _text(payload: dict[str, Any] | UserBroadcast) -> str | bytes:
    return payload.payload if isinstance(payload, UserBroadcast) else json_text.dumps(payload)


def _lost(before: ReadPolicies, now: ReadPolicies) -> bool:
    return (before.broadcast and not now.broadcast) or (before.presence and not now.presence)
