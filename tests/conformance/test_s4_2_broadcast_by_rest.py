"""Sections 4.2 and 4.3 of the facts: broadcasts over REST."""

import json
from typing import Any

import httpx
import pytest

from tests.support.peer import Peer, name
from tests.support.realtime_fixtures import Connect, Connection, MakeToken, Policy

WRONG_TYPE = "Unsupported Media Type. Use application/json or application/octet-stream"


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
        ({"event": "  "}, "event"),
        ({"private": "yes"}, "private"),
        ({"private": 1}, "private"),
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


@pytest.mark.parametrize("text", [True, "true", "1"])
async def test_s4_2_private_may_be_text_and_is_never_taken_for_public(
    peer: Peer, rest: httpx.Client, topic: str, text: Any
) -> None:
    """2.129.8, lib/realtime/tenants/batch_broadcast.ex: a boolean of Ecto's."""
    await peer.joined(topic)
    assert batch(rest, message(topic, private=text)).status_code == 202
    assert batch(rest, message(topic, private="0", event="in public")).status_code == 202
    assert (await peer.next("broadcast")).payload["event"] == "in public"
    assert await peer.settled() == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"json": {"messages": "x"}}, "is invalid"),
        ({"json": {"messages": []}}, "can't be blank"),
        ({"json": {}}, "can't be blank"),
        ({"content": '{"messages": [{}]}'}, "can't be blank"),  # not said to be JSON
    ],
)
def test_s4_2_a_batch_needs_messages(rest: httpx.Client, body: dict[str, Any], said: str) -> None:
    refused = rest.post("/broadcast", **body)
    assert (refused.status_code, refused.json()) == (422, {"errors": {"messages": [said]}})


@pytest.mark.parametrize("path", ["/broadcast", "/broadcast/room/events/e"])
@pytest.mark.parametrize("token", ["", "nonsense", "sb_secret_of_somebody_else"])
def test_s4_2_a_bad_token_is_unauthorized(url: str, path: str, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    refused = httpx.post(f"{url}/realtime/v1/api{path}", json={"messages": []}, headers=headers)
    assert (refused.status_code, refused.json()) == (401, {"message": "Unauthorized"})


@pytest.mark.usefixtures("realtime")  # whose limit is that of these tests
def test_s4_2_each_answer_tells_the_rate(rest: httpx.Client, topic: str) -> None:
    sent = batch(rest, message(topic))
    assert sent.headers["x-rate-limit"] == "100000"
    assert int(sent.headers["x-rate-rolling"]) + int(sent.headers["x-rate-limit-remaining"]) == 100_000


def test_s4_2_any_page_may_call(rest: httpx.Client) -> None:
    headers = {"origin": "https://elsewhere.test", "access-control-request-method": "POST"}
    assert rest.options("/broadcast", headers=headers).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("kind", "body", "payload", "encoding"),
    [
        ("application/json", b'{ "n": 1.50 }', b'{"n":1.5}', 1),  # written anew
        ("application/json", b"[1, 2]", b'{"_json":[1,2]}', 1),
        ("application/json; charset=utf-8", b'"hi"', b'{"_json":"hi"}', 1),
        ("application/json", b"", b"{}", 1),
        ("", b'{"n":1}', b"{}", 1),  # not said to be JSON
        ("application/octet-stream", b"\x00\xff", b"\x00\xff", 0),
    ],
)
async def test_s4_3_the_body_of_a_single_broadcast_is_its_payload(
    connect: Connect,
    peer: Peer,
    rest: httpx.Client,
    topic: str,
    kind: str,
    body: bytes,
    payload: bytes,
    encoding: int,
) -> None:
    """2.129.8, lib/realtime_web/controllers/broadcast_single_controller.ex: what Plug.Parsers makes of it."""
    first = await connect("1.0.0")
    for socket in (first, peer):
        await socket.joined(topic)
    sent = single(
        rest, f"{name(topic)}/events/my%20event", content=body, headers={"content-type": kind} if kind else {}
    )
    assert (sent.status_code, sent.content) == (202, b"")
    heard = (await peer.next("broadcast")).payload
    assert heard == {"event": "my event", "payload": payload, "metadata": "", "encoding": encoding}
    texts = [frame.payload["payload"] for frame in await first.settled()]
    assert texts == ([json.loads(payload)] if encoding else [])  # 1.0.0 has no bytes


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ({"content": "x", "headers": {"content-type": "text/plain"}}, 415, {"error": WRONG_TYPE}),
        ({"content": "{", "headers": {"content-type": "application/json"}}, 400, "Bad Request"),
        ({"json": {}, "headers": {"accept": "text/html"}}, 406, "Not Acceptable"),
        ({"json": {"x": "x" * 8_000_000}}, 413, "Request Entity Too Large"),
    ],
    ids=["type", "json", "accept", "size"],
)
def test_s4_3_what_cannot_be_read_is_refused_before_the_token_is_looked_at(
    url: str, request_: dict[str, Any], status: int, said: Any
) -> None:
    """2.129.8, lib/realtime_web/endpoint.ex, router.ex and plugs/validate_broadcast_content_type.ex."""
    refused = httpx.post(f"{url}/realtime/v1/api/broadcast/room/events/e", **request_)
    assert (refused.status_code, refused.json()) == (status, said)
    assert "x-rate-limit" not in refused.headers


def test_s4_3_other_paths_and_methods_are_not_found(rest: httpx.Client) -> None:
    assert rest.get("/broadcast").status_code == 404
    assert rest.post("/broadcast/a/b/events/e", json={}).status_code == 404


async def test_s4_3_a_topic_may_hold_a_slash_that_is_escaped(peer: Peer, rest: httpx.Client, topic: str) -> None:
    await peer.joined(f"{topic}/b")
    assert single(rest, f"{name(topic)}%2Fb/events/e", json={}).status_code == 202
    await peer.next("broadcast", f"{topic}/b")


async def test_s4_2_policies_see_all_headers_of_a_request(
    reader: Peer, rest: httpx.Client, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    """2.129.8, lib/realtime/tenants/batch_broadcast.ex: all of the request's; a socket's are x-* alone."""
    policy("insert", "current_setting('request.headers')::json ->> 'user-agent' = 'mine'")
    headers = {"authorization": f"Bearer {make_token()}", "user-agent": "mine"}
    batch(rest, message(topic, private=True), headers=headers)
    await reader.next("broadcast")


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


async def test_s4_5_broadcasts_of_clients_are_not_stored(
    peer: Peer, rest: httpx.Client, database: Connection, topic: str
) -> None:
    await peer.joined(topic, {"broadcast": {"ack": True}})
    await peer.ask(topic, "broadcast", {"event": "e", "payload": {}})
    batch(rest, message(topic))
    assert database.execute("select from realtime.messages where topic = %s", [name(topic)]).fetchall() == []
