"""The two wire formats, and the conversion between them.

1.0.0: text frames, JSON objects `{topic, event, payload, ref}`.
2.0.0: text frames, JSON arrays `[join_ref, ref, topic, event, payload]`; and binary frames for user
broadcasts: kind 3 from the client, kind 4 from the server. All sizes in them are single bytes.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from worker.local.realtime import json_text

USER_BROADCAST_PUSH = 3
USER_BROADCAST = 4
ENCODING_BINARY = 0
ENCODING_JSON = 1
LONGEST_NAME = 255  # bytes, the greatest size in a binary frame


class Version(Enum):
    V1 = "1.0.0"
    V2 = "2.0.0"


class BadFrame(ValueError):
    """What a client sent is not a frame of its protocol."""


@dataclass(frozen=True)
class UserBroadcast:
    """A broadcast whose payload is forwarded unchanged."""

    event: str
    payload: bytes
    is_json: bool = True
    metadata: str = ""  # empty, or a JSON object


@dataclass(frozen=True)
class Message:
    """One frame from a client. `payload` is a UserBroadcast if the frame was binary."""

    topic: str
    event: str
    payload: Any
    ref: Any = None
    join_ref: Any = None


def decode(version: Version, frame: str | bytes) -> Message:
    """Raises BadFrame."""
    try:
        if isinstance(frame, bytes):
            return _decode_binary(version, frame)
        return _decode_text(version, json_text.loads(frame))
    except (ValueError, IndexError) as error:
        raise BadFrame(str(error)) from error


def encode(version: Version, topic: str, event: str, payload: str, ref: Any = None, join_ref: Any = None) -> str:
    """`payload` is JSON text. Version 1 has no join_ref, and always has a ref, which may be null."""
    topic, event, ref = json_text.dumps(topic), json_text.dumps(event), json_text.dumps(ref)
    if version is Version.V1:
        return f'{{"topic":{topic},"event":{event},"payload":{payload},"ref":{ref}}}'
    return f"[{json_text.dumps(join_ref)},{ref},{topic},{event},{payload}]"


def encode_broadcast(
    version: Version, topic: str, broadcast: UserBroadcast, join_ref: Any = None, *, as_text: bool = False
) -> str | bytes | None:
    """None if this version cannot represent it: 1.0.0 has no binary payloads, 2.0.0 limits event names in them."""
    if version is Version.V2 and not as_text:
        if len(broadcast.event.encode()) > LONGEST_NAME:
            return None
        names = [text.encode() for text in (topic, broadcast.event, broadcast.metadata)]
        if all(len(name) <= LONGEST_NAME for name in names):
            encoding = ENCODING_JSON if broadcast.is_json else ENCODING_BINARY
            head = bytes([USER_BROADCAST, *map(len, names), encoding])
            return b"".join([head, *names, broadcast.payload])
    if not broadcast.is_json:
        return None
    meta = f',"meta":{broadcast.metadata}' if broadcast.metadata else ""
    event, payload = json_text.dumps(broadcast.event), broadcast.payload.decode()
    text = f'{{"event":{event},"payload":{payload},"type":"broadcast"{meta}}}'
    return encode(version, topic, "broadcast", text, join_ref=join_ref)


def _decode_text(version: Version, frame: Any) -> Message:
    if version is Version.V1:
        if not isinstance(frame, dict) or not frame.keys() >= {"topic", "event", "payload", "ref"}:
            raise BadFrame("not an object with topic, event, payload and ref")
        join_ref, ref, topic = frame.get("join_ref"), frame["ref"], frame["topic"]
        event, payload = frame["event"], frame["payload"]
    else:
        if not isinstance(frame, list) or len(frame) < 5:
            raise BadFrame("not an array of five")
        join_ref, ref, topic, event, payload = frame[:5]
    if not isinstance(topic, str) or not isinstance(event, str):
        raise BadFrame("topic and event must be text")
    return Message(topic, event, payload, ref, join_ref)


def _decode_binary(version: Version, frame: bytes) -> Message:
    if version is Version.V1:
        raise BadFrame("1.0.0 has no binary frames")
    if frame[0] != USER_BROADCAST_PUSH:
        raise BadFrame(f"binary frame of kind {frame[0]}")
    sizes, encoding, rest = frame[1:6], frame[6], frame[7:]
    if len(rest) < sum(sizes):
        raise BadFrame("binary frame is cut short")
    names = []
    for size in sizes:
        names.append(rest[:size].decode())
        rest = rest[size:]
    join_ref, ref, topic, event, metadata = names
    if metadata:
        json_text.loads(metadata)
    is_json = encoding != ENCODING_BINARY
    if is_json:
        json_text.loads(rest)  # forwarded unchanged, so invalid JSON is refused here
    broadcast = UserBroadcast(event, rest, is_json=is_json)
    return Message(topic, "broadcast", broadcast, ref or None, join_ref or None)
