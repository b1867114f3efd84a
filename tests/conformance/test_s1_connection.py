"""Section 1 of the facts: addresses, keys, close codes, the two serializers, heartbeats."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
import websockets
from websockets.asyncio.client import connect as open_socket

from tests.support.peer import Peer, kind_3, socket_url
from tests.support.realtime_fixtures import Connect
from worker.local.stack import Stack


async def refused(url: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Status and body of a handshake."""
    with pytest.raises(websockets.InvalidStatus) as raised:
        await open_socket(url, additional_headers=headers, proxy=None)
    body = raised.value.response.body
    return raised.value.response.status_code, json.loads(body) if body else None


@pytest.mark.parametrize("version", ["3.0.0", "1.1.0", "2.0", "x"])
async def test_s1_1_an_unknown_version_is_refused_without_a_word(url: str, key: str, version: str) -> None:
    assert await refused(socket_url(url, apikey=key, vsn=version)) == (403, None)


async def test_s1_1_any_patch_of_a_version_is_that_version(url: str, key: str) -> None:
    """phoenix 1.8, lib/phoenix/socket.ex: `~> 1.0.0`, `~> 2.0.0`."""
    for version, heartbeat in (
        ("1.0.7", '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}'),
        ("2.0.7", '[null,"1","phoenix","heartbeat",{}]'),
    ):
        async with open_socket(socket_url(url, apikey=key, vsn=version), proxy=None) as socket:
            await socket.send(heartbeat)
            assert "phx_reply" in str(await socket.recv())


async def test_s1_1_no_version_is_the_first(url: str, key: str) -> None:
    async with open_socket(socket_url(url, apikey=key), proxy=None) as socket:
        await socket.send('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}')
        assert json.loads(await socket.recv())["event"] == "phx_reply"


async def test_s1_1_any_origin_may_connect(url: str, key: str) -> None:
    async with open_socket(socket_url(url, apikey=key), origin="https://elsewhere.test", proxy=None):  # type: ignore[arg-type]
        pass


async def test_s1_1_a_frame_over_five_million_bytes_closes_with_1009(peer: Peer) -> None:
    peer.announce(5_000_001)
    assert await peer.closed() == 1009


async def test_s1_2_a_missing_key_is_refused(url: str) -> None:
    assert await refused(socket_url(url)) == (401, {"error": "API key is missing"})


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": 1}, "Token has expired"),
        ({"role": None}, "Fields `role` and `exp` are required in JWT"),
        ({"exp": None}, "Fields `role` and `exp` are required in JWT"),
        ({"secret": "another project's secret, long enough"}, "Failed to validate JWT signature"),
    ],
)
async def test_s1_2_a_bad_token_is_refused_in_these_words(
    url: str, make_token: Callable[..., str], claims: dict[str, Any], message: str
) -> None:
    assert await refused(socket_url(url, apikey=make_token(**claims))) == (401, {"error": message})


@pytest.mark.parametrize("claims", [{"exp": "soon"}, {"iat": "yesterday"}])
async def test_s1_2_a_token_whose_times_are_text_is_an_error_of_the_servers(
    url: str, make_token: Callable[..., str], claims: dict[str, Any]
) -> None:
    """2.129.8, lib/realtime_web/channels/user_socket.ex: what it has no word for."""
    assert await refused(socket_url(url, apikey=make_token(**claims))) == (
        500,
        {"error": "Error connecting to Realtime"},
    )


@pytest.mark.parametrize("key", ["nonsense", "sb_secret_of_somebody_else", ""])
async def test_s1_2_what_is_no_token_is_refused(url: str, key: str) -> None:
    assert await refused(socket_url(url, apikey=key)) == (401, {"error": "The token provided is not a valid JWT"})


async def test_s1_2_a_token_signed_with_an_unknown_key_is_refused(url: str) -> None:
    unsigned = jwt.encode({"role": "anon", "exp": time.time() + 60}, "", "none", headers={"kid": "k"})
    message = 'Failed to generate JWT signer for key ID (kid) "k", check your JWT secret or JWKS configuration'
    assert await refused(socket_url(url, apikey=unsigned)) == (401, {"error": message})


async def test_s1_2_the_header_counts_before_the_query(url: str, key: str, make_token: Callable[..., str]) -> None:
    assert (await refused(socket_url(url, apikey=key), {"x-api-key": make_token(exp=1)}))[0] == 401
    async with open_socket(socket_url(url, apikey="nonsense"), additional_headers={"x-api-key": key}, proxy=None):
        pass


async def test_s1_2_a_token_may_be_escaped(url: str, make_token: Callable[..., str]) -> None:
    async with open_socket(socket_url(url, apikey=make_token().replace(".", "%2E")), proxy=None):
        pass


async def test_s1_2_the_keys_claims_are_those_of_channels_without_a_token(
    connect: Connect, make_token: Callable[..., str], policy: Callable[..., None], topic: str
) -> None:
    policy("select", "topic = 'by-sub-' || auth.uid()::text")
    token = make_token(sub="11111111-1111-1111-1111-111111111111")
    socket = await connect(apikey=token)
    name = "realtime:by-sub-11111111-1111-1111-1111-111111111111"
    await socket.joined(name, {"private": True})


async def test_s1_3_opaque_keys_stand_for_roles_and_are_ignored_in_joins(
    connect: Connect, key: str, secret_key: str, topic: str
) -> None:
    service = await connect(apikey=secret_key)
    await service.joined(topic, {"private": True}, token=secret_key)
    anybody = await connect(apikey=key)
    reply = await anybody.join(topic, {"private": True}, token=secret_key)
    assert reply["status"] == "error"


async def test_s1_3_an_opaque_key_as_a_new_token_is_ignored(peer: Peer, secret_key: str, topic: str) -> None:
    await peer.joined(topic)
    await peer.push(topic, "access_token", {"access_token": secret_key})
    assert await peer.settled() == []


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", "null", '{"topic":"phoenix"}', '["1","2","t","e"]', b"\x03", b"\x09abc", b""],
)
async def test_s1_4_bad_frames_are_dropped_and_the_socket_stays(peer: Peer, frame: str | bytes) -> None:
    await peer.send_raw(frame)
    assert await peer.settled() == []


async def test_s1_4_a_join_holds_up_what_comes_behind_it(peer: Peer, topic: str) -> None:
    await peer.push(topic, "phx_join", {"config": {"private": True}}, ref="1", join_ref="1")
    await peer.push("phoenix", "heartbeat", {}, ref="2", join_ref=None)
    assert (await peer.next("phx_reply", "phoenix", ref="2")).payload["status"] == "ok"
    assert [frame.ref for frame in peer.heard] == ["1"]  # refused, and answered before


async def test_s1_5_version_1_has_four_keys_and_always_a_ref(connect: Connect, topic: str) -> None:
    first = await connect("1.0.0")  # it checks the keys of every frame
    await first.joined(topic, {"broadcast": {"self": True}})
    await first.broadcast(topic, "e", {"n": 1})
    heard = await first.next("broadcast")
    assert (heard.ref, heard.payload) == (None, {"type": "broadcast", "event": "e", "payload": {"n": 1}})


async def test_s1_5_version_1_hears_json_of_version_2_as_text_and_its_bytes_never(
    connect: Connect, peer: Peer, topic: str
) -> None:
    first = await connect("1.0.0")
    await first.joined(topic)
    await peer.joined(topic, {"broadcast": {"ack": True}})
    await peer.send_raw(kind_3(topic, "bytes", b"\x00\xff", encoding=0))
    await peer.next("phx_reply", topic)
    await peer.send_raw(kind_3(topic, "json", '{ "é": 1.50 }'.encode()))
    heard = await first.next("broadcast")
    assert heard.payload == {"type": "broadcast", "event": "json", "payload": {"é": 1.5}}
    assert await first.settled() == []


async def test_s1_6_pushes_carry_the_join_ref_and_deliveries_nothing(
    connect: Connect, peer: Peer, topic: str
) -> None:
    other = await connect()
    await peer.joined(topic, {"presence": {"enabled": True}})
    state = await peer.next("presence_state")
    assert (state.join_ref, state.ref) == ("1", None)
    await other.joined(topic)
    await other.broadcast(topic, "e", {})
    heard = await peer.next("broadcast")
    assert (heard.join_ref, heard.ref) == (None, None)


async def test_s1_6_a_reply_carries_both_refs(peer: Peer, topic: str) -> None:
    ref = await peer.push(topic, "phx_join", {"config": {}}, ref="7", join_ref="6")
    reply = await peer.next("phx_reply")
    assert (reply.join_ref, reply.ref) == ("6", ref)


@pytest.mark.parametrize(("encoding", "payload"), [(1, b'{ "spaces":  1.50 }'), (0, b"\x00\x01\xff")])
async def test_s1_6_a_binary_broadcast_is_handed_on_byte_for_byte(
    connect: Connect, peer: Peer, topic: str, encoding: int, payload: bytes
) -> None:
    other = await connect()
    await other.joined(topic)
    await peer.joined(topic)
    await peer.send_raw(kind_3(topic, "e", payload, encoding=encoding))
    heard = await other.next("broadcast")
    assert heard.is_binary
    assert heard.payload == {"event": "e", "payload": payload, "metadata": "", "encoding": encoding}


async def test_s1_6_a_binary_broadcast_is_acknowledged_in_text(peer: Peer, topic: str) -> None:
    await peer.joined(topic, {"broadcast": {"ack": True}})
    await peer.send_raw(kind_3(topic, "e", b"{}", refs=("1", "42")))
    reply = await peer.next("phx_reply", topic)
    assert (reply.join_ref, reply.ref, reply.payload) == ("1", "42", {"status": "ok", "response": {}})


async def test_s1_1_a_frame_of_five_million_bytes_is_read(peer: Peer) -> None:
    await peer.send_raw("x" * 5_000_000)
    assert await peer.settled() == []


async def test_s1_7_a_heartbeat_is_answered_with_its_ref_even_if_that_is_null(connect: Connect, peer: Peer) -> None:
    for socket in (peer, await connect("1.0.0")):
        await socket.push("phoenix", "heartbeat", {}, ref=None, join_ref=None)
        reply = await socket.next("phx_reply", "phoenix")
        assert (reply.ref, reply.join_ref, reply.payload) == (None, None, {"status": "ok", "response": {}})


def test_s1_the_service_says_whether_it_is_well(realtime: Stack) -> None:
    answer = httpx.get(f"http://127.0.0.1:{realtime.ports.realtime}/realtime/v1/health")
    assert (answer.status_code, answer.json()) == (200, {"healthy": True})


async def test_s1_4_a_peer_that_is_gone_is_not_present(connect: Connect, topic: str) -> None:
    watcher = await connect()
    await watcher.joined(topic, {"presence": {"enabled": True}})
    leaving = await connect()
    await leaving.joined(topic, {"presence": {"key": "gone"}})
    await leaving.push(topic, "presence", {"type": "presence", "event": "track", "payload": {}})
    assert (await watcher.next("presence_diff")).payload["joins"]
    await leaving.__aexit__(None, None, None)
    assert (await watcher.next("presence_diff")).payload["leaves"].keys() == {"gone"}
