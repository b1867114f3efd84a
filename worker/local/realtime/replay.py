"""Replay: the newest stored broadcasts of a private channel, for a client that joins later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from worker.local.realtime import json_text
from worker.local.realtime.database import Database
from worker.local.realtime.serializer import UserBroadcast

MOST = 25  # messages
USUAL = 10  # messages

STORED = """
select id::text, event, payload::text, binary_payload
from realtime.messages
where topic = %(topic)s and private and extension = 'broadcast' and event is not null
  and inserted_at >= to_timestamp(%(since)s::double precision / 1000) at time zone 'utc'
  and inserted_at < now() at time zone 'utc' + interval '1 minute'
order by inserted_at desc
limit %(limit)s
"""


class ReplayRefused(Exception):
    """The message is sent to the client, after the server's name of the reason."""


@dataclass(frozen=True)
class Replayed:
    id: str
    broadcast: UserBroadcast


async def find(database: Database, topic: str, wanted: Any) -> list[Replayed]:
    """Oldest first. `wanted` is the client's `{since: unix ms, limit}`. Raises ReplayRefused or DatabaseAway.

    If it is not an object, nothing is replayed. The defaults are those of PR #2169, merged on 2026-09-04
    (lib/realtime_web/channels/payloads/broadcast/replay.ex).
    """
    if not isinstance(wanted, Mapping):
        return []
    since, limit = _given(wanted, "since", 0), _given(wanted, "limit", USUAL)
    if type(since) is not int or type(limit) is not int:
        raise ReplayRefused("Replay params are not valid")
    parameters = {"topic": topic, "since": since, "limit": max(1, min(MOST, limit))}
    try:
        async with database.connection() as connection:
            found = await (await connection.execute(STORED, parameters)).fetchall()
    except psycopg.Error as error:
        raise ReplayRefused("Realtime was unable to replay messages") from error
    return [Replayed(row[0], _broadcast(*row)) for row in reversed(found)]


def _given(wanted: Mapping[str, Any], name: str, default: int) -> Any:
    value = wanted.get(name)
    return default if value is None or value is False else value


def _broadcast(message_id: str, event: str, payload: str | None, binary: bytes | None) -> UserBroadcast:
    metadata = json_text.dumps({"replayed": True, "id": message_id})
    if binary is not None:
        return UserBroadcast(event, binary, is_json=False, metadata=metadata)
    return UserBroadcast(event, (payload or "null").encode(), metadata=metadata)
