"""Who hears a broadcast."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from worker.local.realtime import broadcasts
from worker.local.realtime.limits import Limits
from worker.local.realtime.pgoutput import Change, Relation
from worker.local.realtime.rooms import Rooms
from worker.local.realtime.serializer import UserBroadcast, Version
from worker.local.realtime.settings import Settings

SETTINGS = Settings(database_url="", jwt_secret="", publishable_key="", secret_key="")


class Listener:
    def __init__(self, version: Version = Version.V1) -> None:
        self.version = version
        self.replayed: set[str] = set()
        self.heard: list[Any] = []

    def deliver(self, frame: str | bytes) -> None:
        self.heard.append(frame)


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def test_a_text_broadcast_is_relayed_as_it_came(rooms: Rooms) -> None:
    listener = Listener()
    rooms.enter("a", False, listener)
    payload = {"type": "broadcast", "event": "e", "payload": {"x": "\ud800"}, "more": 1}
    rooms.broadcast("a", False, payload)
    assert json.loads(listener.heard[0]) == {
        "topic": "realtime:a",
        "event": "broadcast",
        "payload": payload,
        "ref": None,
    }


def test_public_and_private_rooms_of_one_name_are_apart(rooms: Rooms) -> None:
    public, private = Listener(), Listener()
    rooms.enter("a", False, public)
    rooms.enter("a", True, private)
    rooms.broadcast("a", True, {"event": "e"})
    assert (len(public.heard), len(private.heard)) == (0, 1)


def test_the_sender_may_be_left_out(rooms: Rooms) -> None:
    sender, other = Listener(), Listener()
    rooms.enter("a", False, sender)
    rooms.enter("a", False, other)
    rooms.broadcast("a", False, {"event": "e"}, without=sender)
    assert (len(sender.heard), len(other.heard)) == (0, 1)


def test_each_version_hears_it_in_its_own_way(rooms: Rooms) -> None:
    one, two = Listener(Version.V1), Listener(Version.V2)
    rooms.enter("a", False, one)
    rooms.enter("a", False, two)
    rooms.broadcast("a", False, UserBroadcast("e", b"{}"))
    assert isinstance(one.heard[0], str)
    assert isinstance(two.heard[0], bytes)


def test_what_is_no_json_is_heard_by_nobody(rooms: Rooms) -> None:
    listener = Listener()
    rooms.enter("a", False, listener)
    rooms.broadcast("a", False, {"x": float("inf")})
    assert listener.heard == []


def test_who_left_hears_nothing(rooms: Rooms) -> None:
    listener = Listener()
    rooms.enter("a", False, listener)
    rooms.leave("a", False, listener)
    rooms.leave("a", False, listener)
    rooms.broadcast("a", False, {"event": "e"})
    assert listener.heard == []


@pytest.fixture
def limits() -> Limits:
    return Limits(SETTINGS)


ROW = {
    "topic": "a",
    "event": "e",
    "private": "t",
    "id": "11111111-1111-1111-1111-111111111111",
    "payload": '{"x": 1}',
    "binary_payload": None,
}


def stored(**values: str | None) -> Change:
    relation = Relation(1, "realtime", "messages_2026_11_27", ())
    return Change(
        "INSERT", relation, committed_at=datetime(2026, 11, 27, tzinfo=UTC), new={**ROW, **values}, old=None
    )


def test_a_stored_message_is_broadcast_with_its_id(rooms: Rooms, limits: Limits) -> None:
    listener = Listener()
    rooms.enter("a", True, listener)
    assert broadcasts.is_broadcast(stored())
    broadcasts.send(rooms, limits, stored())
    assert json.loads(listener.heard[0])["payload"] == {
        "event": "e",
        "payload": {"x": 1},
        "type": "broadcast",
        "meta": {"id": ROW["id"]},
    }


def test_a_stored_message_may_be_bytes(rooms: Rooms, limits: Limits) -> None:
    listener = Listener(Version.V2)
    rooms.enter("a", False, listener)
    broadcasts.send(rooms, limits, stored(private="f", payload=None, binary_payload="\\x00ff"))
    assert listener.heard[0].endswith(b"\x00\xff")


@pytest.mark.parametrize("missing", ["topic", "event", "private", "payload"])
def test_an_incomplete_stored_message_is_skipped(rooms: Rooms, limits: Limits, missing: str) -> None:
    listener = Listener()
    rooms.enter("a", True, listener)
    broadcasts.send(rooms, limits, stored(**{missing: None}))
    assert listener.heard == []
