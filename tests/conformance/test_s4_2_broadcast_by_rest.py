"""Sections 4.2 and 4.3 of the facts: broadcasts over REST."""

from typing import Any

import httpx
import pytest

from tests.conformance.conftest import Connect, Connection, MakeToken, Policy
from tests.conformance.peer import Peer, name


def batch(rest: httpx.Client, *messages: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    return rest.post("/broadcast", json={"messages": list(messages)}, headers=headers)


def single(rest: httpx.Client, path: str, token: str = "", **body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return rest.post(f"/broadcast/{path}", headers=headers | body.pop("headers", {}), **body)


def message(topic: str, **more: Any) -> dict[str, Any]:
    return {"topic": name(topic), "event": "e", "payload": {"n": 1}, **more}


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_s4_2_a_batch_arrives_as_text(connect: Connect, rest: httpx.Client, topic: str, version: str) -> None:
    peer = await connect(version)
    await peer.joined(topic)
    sent = batch(rest, message(topic), message(topic, id="my-id"))
    assert (sent.status_code, sent.content) == (202, b"")
    plain, named = await peer.next("broadcast"), await peer.next("broadcast")
    assert plain.payload == {"event": "e", "payload": {"n": 1}, "type": "broadcast"}
    assert named.payload == {"event": "e", "payload": {"n": 1}, "type": "broadcast", "meta": {"id": "my-id"}}


async def test_s4_2_what_may_not_be_written_is_left_out_of_a_batch(
    reader: Peer, rest: httpx.Client, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("insert", "auth.jwt() ->> 'may' = 'write'")
    for token in (make_token(), make_token(may="write")):
        sent = batch(rest, message(topic, private=True), headers={"authorization": f"Bearer {token}"})
        assert sent.status_code == 202
    await reader.next("broadcast")
    assert await reader.settled() == []


async def test_s4_2_the_secret_key_passes_the_policies(
    reader: Peer, rest: httpx.Client, secret_key: str, topic: str
) -> None:
    batch(rest, message(topic, private=True), headers={"apikey": secret_key})
    assert (await reader.next("broadcast")).payload["event"] == "e"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"topic": None}, "topic"),
        ({"event": ""}, "event"),
        ({"payload": None}, "payload"),
        ({"payload": [1]}, "payload"),
    ],
)
async def test_s4_2_an_incomplete_message_spoils_its_batch(
    peer: Peer, rest: httpx.Client, topic: str, wrong: dict[str, Any], field: str
) -> None:
    await peer.joined(topic)
    refused = batch(rest, message(topic), {**message(topic), **wrong})
    assert refused.status_code == 422
    assert refused.json()["errors"]["messages"][1].keys() == {field}
    assert await peer.settled() == []


@pytest.mark.parametrize("path", ["/broadcast", "/broadcast/room/events/e"])
@pytest.mark.parametrize("token", ["", "nonsense", "sb_secret_of_somebody_else"])
def test_s4_2_a_bad_token_is_unauthorized(url: str, path: str, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    refused = httpx.post(f"{url}/realtime/v1/api{path}", json={"messages": []}, headers=headers)
    assert (refused.status_code, refused.json()) == (401, {"message": "Unauthorized"})


def test_s4_2_each_answer_tells_the_rate(rest: httpx.Client, topic: str) -> None:
    sent = batch(rest, message(topic))
    assert sent.headers["x-rate-limit"] == "100000"
    assert int(sent.headers["x-rate-rolling"]) + int(sent.headers["x-rate-limit-remaining"]) == 100_000


def test_s4_2_any_page_may_call(rest: httpx.Client) -> None:
    headers = {"origin": "https://elsewhere.test", "access-control-request-method": "POST"}
    assert rest.options("/broadcast", headers=headers).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("kind", "body", "encoding"),
    [("application/json", b'{ "n": 1.50 }', 1), ("application/octet-stream", b"\x00\xff", 0)],
)
async def test_s4_3_the_body_of_a_single_broadcast_is_its_payload(
    connect: Connect, peer: Peer, rest: httpx.Client, topic: str, kind: str, body: bytes, encoding: int
) -> None:
    first = await connect("1.0.0")
    for socket in (first, peer):
        await socket.joined(topic)
    sent = single(rest, f"{name(topic)}/events/my%20event", content=body, headers={"content-type": kind})
    assert (sent.status_code, sent.content) == (202, b"")
    heard = (await peer.next("broadcast")).payload
    assert heard == {"event": "my event", "payload": body, "metadata": "", "encoding": encoding}
    texts = [frame.payload["payload"] for frame in await first.settled()]
    assert texts == ([{"n": 1.5}] if encoding else [])  # 1.0.0 has no bytes


async def test_s4_3_a_private_single_broadcast_needs_the_right_to_write(
    reader: Peer, rest: httpx.Client, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("insert", "auth.jwt() ->> 'may' = 'write'")
    path = f"{name(topic)}/events/e?private=true"
    denied = single(rest, path, make_token(), json={})
    assert (denied.status_code, denied.json()) == (403, {"message": "Unauthorized"})
    assert single(rest, path, make_token(may="write"), json={}).status_code == 202
    await reader.next("broadcast")
    assert await reader.settled() == []


@pytest.mark.parametrize(
    ("condition", "role", "said"),
    [
        ("1 / 0 > 0", "authenticated", "RLS policy error"),
        ("public.canceled()", "authenticated", "Query canceled"),
        ("true", "nobody_knows", "RLS policy error"),
    ],
)
def test_s4_3_policies_that_cannot_be_asked_are_no_denial(
    rest: httpx.Client,
    database: Connection,
    make_token: MakeToken,
    policy: Policy,
    topic: str,
    condition: str,
    role: str,
    said: str,
) -> None:
    """2.129.8, lib/realtime/tenants/single_broadcast.ex."""
    database.execute(
        "create or replace function public.canceled() returns bool language plpgsql as"
        " $$ begin raise query_canceled; end $$"
    )
    policy("insert", condition)
    token = make_token(role=role)
    refused = single(rest, f"{name(topic)}/events/e?private=true", token, json={})
    assert (refused.status_code, refused.json()) == (422, {"message": said})
    sent = batch(rest, message(topic, private=True), headers={"authorization": f"Bearer {token}"})
    assert sent.status_code == 202  # dropped


def test_s4_3_another_type_of_body_is_refused(rest: httpx.Client) -> None:
    refused = rest.post("/broadcast/room/events/e", content="x", headers={"content-type": "text/plain"})
    assert (refused.status_code, refused.json()) == (
        415,
        {"error": "Unsupported Media Type. Use application/json or application/octet-stream"},
    )


async def test_s4_5_broadcasts_of_clients_are_not_stored(
    peer: Peer, rest: httpx.Client, database: Connection, topic: str
) -> None:
    await peer.joined(topic, {"broadcast": {"ack": True}})
    await peer.ask(topic, "broadcast", {"event": "e", "payload": {}})
    batch(rest, message(topic))
    assert database.execute("select from realtime.messages where topic = %s", [name(topic)]).fetchall() == []
