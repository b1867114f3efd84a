"""Broadcasts from the database: rows inserted into realtime.messages, sent after their commit."""

import json
import logging

from worker.local.realtime.limits import Limits, TooMany
from worker.local.realtime.pgoutput import Change, Row
from worker.local.realtime.rooms import Rooms
from worker.local.realtime.serializer import UserBroadcast

logger = logging.getLogger(__name__)

SCHEMA, PARTITION = "realtime", "messages_"


def is_broadcast(change: Change) -> bool:
    return change.relation.schema == SCHEMA and change.relation.table.startswith(PARTITION)


def send(rooms: Rooms, limits: Limits, change: Change) -> None:
    """Send an inserted row to its room. Dropped: rows without event, topic, `private` or payload, or over a limit."""
    row = change.new
    if change.operation != "INSERT" or row is None:
        return
    topic, event, private = row.get("topic"), row.get("event"), row.get("private")
    broadcast = _broadcast(row, event) if event is not None else None
    if topic is None or private is None or broadcast is None:
        return
    try:
        limits.check_one()
    except TooMany:
        logger.warning("a broadcast from the database dropped: too many messages per second")
        return
    if not limits.fits(broadcast.payload):
        logger.warning("a broadcast from the database dropped: larger than the limit")
        return
    limits.events.add()
    rooms.broadcast(topic, private == "t", broadcast, stored_id=row.get("id") or "")


def _broadcast(row: Row, event: str) -> UserBroadcast | None:
    metadata = json.dumps({"id": row.get("id")})
    payload, binary = row.get("payload"), row.get("binary_payload")
    if payload is not None:
        return UserBroadcast(event, payload.encode(), is_json=True, metadata=metadata)
    if binary is not None:
        return UserBroadcast(event, bytes.fromhex(binary.removeprefix("\\x")), is_json=False, metadata=metadata)
    return None
