"""Presence: the tracked states of each room. Its members receive every change."""

import base64
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from worker.local.realtime import json_text

Meta = dict[str, Any]
Room = tuple[str, bool]  # name, and whether it is private
State = Mapping[str, Mapping[str, list[Meta]]]  # {key: {"metas": [...]}}


class Member(Protocol):
    """The part of a channel that presence uses."""

    def show_presence(self, diff: str) -> None: ...


@dataclass
class _Gathering:
    members: dict[Member, None] = field(default_factory=dict)
    tracked: dict[Member, tuple[str, Meta]] = field(default_factory=dict)


class Presence:
    def __init__(self) -> None:
        self._rooms: dict[Room, _Gathering] = {}
        self._counter = itertools.count()

    def enter(self, room: Room, member: Member) -> None:
        """Receive changes from now on."""
        self._rooms.setdefault(room, _Gathering()).members[member] = None

    def leave(self, room: Room, member: Member) -> None:
        """Receive no more changes. The member's tracked state is removed, and the others receive that."""
        if room in self._rooms:
            self._rooms[room].members.pop(member, None)
            self.untrack(room, member)
            if not self._rooms[room].members:
                del self._rooms[room]

    def state(self, room: Room) -> State:
        gathering = self._rooms.get(room, _Gathering())
        state: dict[str, dict[str, list[Meta]]] = {}
        for key, meta in gathering.tracked.values():
            state.setdefault(key, {"metas": []})["metas"].append(meta)
        return state

    def track(self, room: Room, member: Member, key: str, fields: Mapping[str, Any]) -> None:
        """Track a state; it replaces the former one of the same member."""
        gathering = self._rooms.setdefault(room, _Gathering())
        before = gathering.tracked.get(member)
        meta = {**fields, "phx_ref": self._ref()}
        if before:
            meta["phx_ref_prev"] = before[1]["phx_ref"]
        gathering.tracked[member] = key, meta
        _tell(gathering, joins=(key, meta), leaves=before)

    def untrack(self, room: Room, member: Member) -> None:
        gathering = self._rooms.get(room)
        if gathering and (before := gathering.tracked.pop(member, None)):
            _tell(gathering, joins=None, leaves=before)

    def _ref(self) -> str:
        """A unique reference."""
        number = time.time_ns() // 1000 << 16 | next(self._counter) & 0xFFFF
        return base64.urlsafe_b64encode(b"\x17" + number.to_bytes(11, "big")).decode()


def _tell(gathering: _Gathering, joins: tuple[str, Meta] | None, leaves: tuple[str, Meta] | None) -> None:
    diff = json_text.dumps(
        {
            name: {changed[0]: {"metas": [changed[1]]}} if changed else {}
            for name, changed in (("joins", joins), ("leaves", leaves))
        }
    )
    for member in list(gathering.members):
        member.show_presence(diff)
