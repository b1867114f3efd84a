"""Broadcasts from the database: each row inserted into realtime.messages, after its commit."""

import json

from worker.local.realtime.pgoutput import Change, Row
from worker.local.realtime.rooms import Rooms
from worker.local.realtime.serializer import UserBroadcast

SCHEMA, TABLE = "realtime", "messages"


def is_broadcast(change: Change) -> bool:
    return (change.relation.schema, change.relation.table) == (SCHEMA, TABLE)


def send(rooms: Rooms, change: Change) -> None:
    """A row without event, topic, privacy or payload is nobody's message."""
    row = change.new
    if change.operation != "INSERT" or row is None:
        return
    topic, event, private = row.get("topic"), row.get("event"), row.get("private")
    broadcast = _broadcast(row, event) if event is not None else None
    if topic is not None and private is not None and broadcast is not None:
        rooms.broadcast(topic, private == "t", broadcast)


def _broadcast(row: Row, event: str) -> UserBroadcast | None:
    metadata = json.dumps({"id": row.get("id")})
    payload, binary = row.get("payload"), row.get("binary_payload")
    if payload is not None:
        return UserBroadcast(event, payload.encode(), is_json=True, metadata=metadata)
    if binary is not None:
        return UserBroadcast(event, bytes.fromhex(binary.removeprefix("\\x")), is_json=False, metadata=metadata)
    return None
