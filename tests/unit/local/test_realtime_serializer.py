"""The two wire formats of the Realtime stand-in, and the conversion between them."""

import json

import pytest

from worker.local.realtime.serializer import (
    BadFrame,
    Message,
    UserBroadcast,
    Version,
    decode,
    encode,
    encode_broadcast,
)

TOPIC = "realtime:room"


def pushed(payload: bytes, encoding: int, event: str = "hi", metadata: str = "") -> bytes:
    """A user broadcast as realtime-js sends it, with join_ref 1 and ref 22."""
    names = [text.encode() for text in ("1", "22", TOPIC, event, metadata)]
    return bytes([3, *map(len, names), encoding]) + b"".join(names) + payload


def encoded(version: Version, topic: str, broadcast: UserBroadcast) -> str | bytes:
    frame = encode_broadcast(version, topic, broadcast)
    assert frame is not None
    return frame


def test_version_1_reads_an_object() -> None:
    frame = '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":null}'
    assert decode(Version.V1, frame) == Message("phoenix", "heartbeat", {})


def test_version_1_keeps_the_join_ref_that_a_client_sends() -> None:
    frame = '{"topic":"t","event":"e","payload":{},"ref":"2","join_ref":"1"}'
    assert decode(Version.V1, frame) == Message("t", "e", {}, ref="2", join_ref="1")


def test_a_character_may_be_written_as_its_two_halves() -> None:
    frame = '{"topic":"\\ud83d\\ude00","event":"e","payload":"\\\\ud800","ref":null}'
    assert decode(Version.V1, frame) == Message("😀", "e", "\\ud800")


@pytest.mark.parametrize("more", ["", ',"more"'])
def test_version_2_reads_an_array_of_five_and_what_follows_is_nothing(more: str) -> None:
    """2.129.8, lib/realtime_web/socket/v2_serializer.ex."""
    assert decode(Version.V2, f'["1","2","t","e",{{"a":1}}{more}]') == Message("t", "e", {"a": 1}, "2", "1")


def test_any_encoding_but_that_of_bytes_is_json() -> None:
    message = decode(Version.V2, pushed(b"{}", 7, metadata='{"persist":false}'))
    assert message.payload == UserBroadcast("hi", b"{}")


@pytest.mark.parametrize(
    "frame",
    [
        "{",
        "[]",
        '{"topic":"t","event":"e","payload":{}}',
        '{"topic":1,"event":"e","payload":{},"ref":null}',
        '{"topic":"t","event":"e","payload":NaN,"ref":null}',
        '{"topic":"t","event":"e","payload":1e999,"ref":null}',
        "[" * 100_000,
        '{"topic":"\\ud800","event":"e","payload":{},"ref":null}',
        '{"topic":"t","event":"e","payload":["\\uDfFf\\uD800"],"ref":null}',
        b"\x03",
        pushed(b"{}", 1),
    ],
)
def test_version_1_refuses_what_is_no_frame_of_its_own(frame: str | bytes) -> None:
    with pytest.raises(BadFrame):
        decode(Version.V1, frame)


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        '["1","2","t","e"]',
        '[null,null,null,"e",{}]',
        b"",
        b"\x03\x01",
        b"\x00\x00\x00\x00\x00\x00\x00",
        pushed(b"{}", 1)[:12],
        pushed(b"{", 1),
        pushed(b"{}", 1, metadata="{"),
        b"\x03\x01\x00\x00\x00\x00\x00\xff",
    ],
)
def test_version_2_refuses_what_is_no_frame_of_its_own(frame: str | bytes) -> None:
    with pytest.raises(BadFrame):
        decode(Version.V2, frame)


def test_a_binary_push_becomes_a_broadcast_with_the_senders_own_bytes() -> None:
    message = decode(Version.V2, pushed(b'{ "a": 1.50 }', 1))
    assert message == Message(TOPIC, "broadcast", UserBroadcast("hi", b'{ "a": 1.50 }'), "22", "1")


def test_a_binary_push_may_hold_bytes() -> None:
    message = decode(Version.V2, pushed(b"\x00\xff", 0))
    assert message.payload == UserBroadcast("hi", b"\x00\xff", is_json=False)


def test_a_binary_push_without_refs_has_none() -> None:
    frame = bytes([3, 0, 0, 1, 1, 0, 1]) + b"te{}"
    assert decode(Version.V2, frame) == Message("t", "broadcast", UserBroadcast("e", b"{}"))


def test_version_1_always_writes_a_ref_and_never_a_join_ref() -> None:
    frame = json.loads(encode(Version.V1, TOPIC, "system", "{}", join_ref="1"))
    assert frame == {"topic": TOPIC, "event": "system", "payload": {}, "ref": None}


def test_version_2_writes_join_ref_and_ref() -> None:
    frame = json.loads(encode(Version.V2, TOPIC, "phx_reply", "{}", ref="2", join_ref="1"))
    assert frame == ["1", "2", TOPIC, "phx_reply", {}]


def test_version_2_gets_a_user_broadcast_as_kind_4() -> None:
    frame = encode_broadcast(Version.V2, TOPIC, UserBroadcast("é", b"[1]", metadata='{"id":"x"}'))
    names = [TOPIC.encode(), "é".encode(), b'{"id":"x"}']
    assert frame == bytes([4, 13, 2, 10, 1]) + b"".join(names) + b"[1]"


def test_version_1_gets_a_user_broadcast_as_text() -> None:
    broadcast = UserBroadcast("hi", b'{"a":"\xc3\xa9"}', metadata='{"id":"x"}')
    frame = json.loads(encoded(Version.V1, TOPIC, broadcast))
    assert frame["payload"] == {
        "event": "hi",
        "payload": {"a": "é"},
        "type": "broadcast",
        "meta": {"id": "x"},
    }


def test_version_1_never_gets_bytes() -> None:
    assert encode_broadcast(Version.V1, TOPIC, UserBroadcast("hi", b"\x00", is_json=False)) is None


def test_a_topic_too_long_for_a_binary_frame_is_sent_as_text_and_an_event_is_not_sent() -> None:
    topic = "realtime:" + "t" * 256
    assert json.loads(encoded(Version.V2, topic, UserBroadcast("e", b"{}")))[2] == topic
    assert encode_broadcast(Version.V2, TOPIC, UserBroadcast("e" * 256, b"{}")) is None
    assert encode_broadcast(Version.V1, TOPIC, UserBroadcast("e" * 256, b"{}"))
