"""Rooms: which channels receive a broadcast. A public and a private channel of one name are separate rooms."""

import logging
from collections import defaultdict
from functools import cache
from typing import Any, Protocol

from worker.local.realtime import json_text
from worker.local.realtime.serializer import UserBroadcast, Version, encode, encode_broadcast

logger = logging.getLogger(__name__)

TOPIC_PREFIX = "realtime:"

Broadcast = dict[str, Any] | UserBroadcast


class Member(Protocol):
    """The part of a channel that a room uses."""

    @property
    def version(self) -> Version: ...

    replayed: set[str]  # ids of messages that it got by replay

    def deliver(self, frame: str | bytes) -> None: ...


class Rooms:
    def __init__(self) -> None:
        self._members: dict[tuple[str, bool], dict[Member, None]] = defaultdict(dict)

    def enter(self, name: str, private: bool, member: Member) -> None:
        self._members[name, private][member] = None

    def leave(self, name: str, private: bool, member: Member) -> None:
        members = self._members.get((name, private), {})
        members.pop(member, None)
        if not members:
            self._members.pop((name, private), None)

    def broadcast(
        self, name: str, private: bool, payload: Broadcast, without: Member | None = None, stored_id: str = ""
    ) -> None:
        """Send the payload to every member, encoded once per version; versions that cannot represent it get none."""
        members = self._members.get((name, private))
        if not members:
            return
        topic = TOPIC_PREFIX + name

        @cache
        def frame(version: Version) -> str | bytes | None:
            try:
                if isinstance(payload, UserBroadcast):
                    return encode_broadcast(version, topic, payload)
                return encode(version, topic, "broadcast", json_text.dumps(payload))
            except ValueError:
                logger.warning("a broadcast on %s cannot be written as JSON: dropped", topic)
                return None

        for member in list(members):
            left_out = member is without or stored_id in member.replayed
            encoded = None if left_out else frame(member.version)
            if encoded is not None:
                member.deliver(encoded)
