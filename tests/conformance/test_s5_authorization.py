"""Section 5 of the facts: who may read and write in private channels."""

from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect as open_socket

from tests.support.peer import Peer, kind_3, name, socket_url
from tests.support.realtime_fixtures import Connect, Connection, MakeToken, Policy

PRIVATE = {"private": True, "broadcast": {"ack": True}}


async def test_s5_a_read_policy_lets_one_in_and_is_asked_about_this_topic(
    peer: Peer, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("select", f"realtime.topic() = '{name(topic)}' and extension = 'broadcast'")
    await peer.joined(topic, PRIVATE, make_token())
    assert (await peer.join(f"{topic}-other", PRIVATE, make_token()))["status"] == "error"


@pytest.mark.parametrize(
    "condition",
    [
        "auth.uid() = '11111111-1111-1111-1111-111111111111'",
        "auth.jwt() ->> 'team' = 'red'",
        "current_setting('request.jwt.claim.sub') like '1111%'",
        "current_setting('request.jwt.claim.role') = 'authenticated'",
        "current_setting('request.jwt.claims')::json ->> 'role' = 'authenticated'",
        "current_role = 'authenticated'",
    ],
)
async def test_s5_policies_see_who_asks(
    peer: Peer, make_token: MakeToken, policy: Policy, topic: str, condition: str
) -> None:
    policy("select", condition, "public")
    await peer.joined(topic, PRIVATE, make_token(sub="11111111-1111-1111-1111-111111111111", team="red"))
    assert (await peer.join(f"{topic}-2", PRIVATE, make_token(role="anon")))["status"] == "error"


async def test_s5_policies_see_the_handshakes_own_headers(url: str, key: str, policy: Policy, topic: str) -> None:
    policy("select", "current_setting('request.headers')::json ->> 'x-tenant' = 'blue'", "anon")
    address = socket_url(url, apikey=key)
    join = f'{{"topic":"{topic}","event":"phx_join","payload":{{"config":{{"private":true}}}},"ref":"1"}}'
    for tenant, status in (("blue", '"status":"ok"'), ("red", '"status":"error"')):
        async with open_socket(address, additional_headers={"x-tenant": tenant}, proxy=None) as socket:
            await socket.send(join)
            assert status in str(await socket.recv())


async def test_s5_asking_leaves_nothing_behind(
    peer: Peer, database: Connection, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("select", "true")
    policy("insert", "true")
    await peer.joined(topic, {**PRIVATE, "presence": {"enabled": True}}, make_token())
    await peer.ask(topic, "broadcast", {"event": "e"})
    assert database.execute("select from realtime.messages where topic = %s", [name(topic)]).fetchall() == []


async def test_s5_who_reads_only_presence_joins_and_hears_no_broadcast(
    connect: Connect, peer: Peer, make_token: MakeToken, policy: Policy, secret_key: str, topic: str
) -> None:
    policy("select", "extension = 'presence'")
    await peer.joined(topic, {"private": True, "presence": {"enabled": True}}, make_token())
    await peer.next("presence_state", topic)
    service = await connect(apikey=secret_key)
    await service.joined(topic, PRIVATE)
    await service.ask(topic, "broadcast", {"event": "e"})
    await service.ask(topic, "presence", {"event": "track", "payload": {}})
    await peer.next("presence_diff", topic)
    assert await peer.settled() == []


async def test_s5_who_reads_only_broadcasts_gets_neither_state_nor_diff(
    connect: Connect, peer: Peer, make_token: MakeToken, policy: Policy, secret_key: str, topic: str
) -> None:
    policy("select", "extension = 'broadcast'")
    service = await connect(apikey=secret_key)
    await service.joined(topic, PRIVATE)
    await peer.joined(topic, {"private": True, "presence": {"enabled": True}}, make_token())
    await service.ask(topic, "presence", {"event": "track", "payload": {}})
    await service.ask(topic, "broadcast", {"event": "e"})
    await peer.next("broadcast", topic)
    assert await peer.settled() == []


@pytest.mark.parametrize("binary", [False, True])
async def test_s5_a_denied_broadcast_is_dropped_without_a_word(
    connect: Connect, peer: Peer, make_token: MakeToken, policy: Policy, topic: str, binary: bool
) -> None:
    policy("select", "true")
    policy("insert", "extension = 'broadcast' and auth.jwt() ->> 'may' = 'write'")
    reader, writer = await connect(), await connect()
    await reader.joined(topic, PRIVATE, make_token())
    await peer.joined(topic, PRIVATE, make_token())
    await writer.joined(topic, PRIVATE, make_token(may="write"))
    if binary:
        await peer.send_raw(kind_3(topic, "denied", b"{}"))
    else:
        await peer.broadcast(topic, "denied", {})
    assert await peer.settled(topic) == []
    await writer.ask(topic, "broadcast", {"event": "allowed"})
    assert (await reader.next("broadcast")).payload["event"] == "allowed"
    assert await reader.settled() == []


async def test_s5_a_denied_track_is_refused_without_a_reason(
    peer: Peer, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("select", "true")
    policy("insert", "extension = 'broadcast'")
    await peer.joined(topic, {"private": True, "presence": {"enabled": True}}, make_token())
    assert (await peer.next("presence_state", topic)).payload == {}
    track = {"type": "presence", "event": "track", "payload": {}}
    assert await peer.ask(topic, "presence", track) == {"status": "error", "response": {}}
    assert await peer.settled() == []


async def test_s5_an_edited_policy_does_not_touch_channels_that_are_open(
    connect: Connect, peer: Peer, database: Connection, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("select", "true")
    database.execute("create policy may_write on realtime.messages for insert to authenticated with check (true)")
    await peer.joined(topic, PRIVATE, make_token())
    assert (await peer.ask(topic, "broadcast", {"event": "e"}))["status"] == "ok"
    database.execute("drop policy may_write on realtime.messages")
    assert (await peer.ask(topic, "broadcast", {"event": "e"}))["status"] == "ok"
    late = await connect()
    await late.joined(topic, PRIVATE, make_token())
    await late.broadcast(topic, "e", {})
    assert await late.settled(topic) == []


async def test_s5_the_secret_key_passes_every_policy(connect: Connect, secret_key: str, topic: str) -> None:
    service = await connect(apikey=secret_key)
    await service.joined(topic, PRIVATE)
    assert (await service.ask(topic, "broadcast", {"event": "e"}))["status"] == "ok"


async def test_s5_a_policy_that_fails_denies(
    connect: Connect, peer: Peer, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("select", "1 / (length(topic) - 3) > -5", "anon")
    reply = await peer.join("realtime:abc", PRIVATE)
    assert reply["response"]["reason"].startswith("Unauthorized: ")
    policy("select", "true")
    policy("insert", "1 / (length(topic) - 3) > -5")
    signed_in = await connect()
    await signed_in.joined("realtime:abc", {**PRIVATE, "broadcast": {"ack": True, "self": True}}, make_token())
    await signed_in.broadcast("realtime:abc", "e", {})
    assert await signed_in.settled("realtime:abc") == []


async def test_s5_an_error_of_a_policy_is_not_remembered_and_a_denial_is(
    connect: Connect, peer: Peer, database: Connection, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    """2.129.8, lib/realtime_web/channels/realtime_channel/broadcast_handler.ex."""
    policy("select", "true")
    database.execute("create policy raises on realtime.messages for insert to authenticated with check (1 / 0 > 0)")
    denied = await connect()
    config = {**PRIVATE, "presence": {"enabled": True}}
    await peer.joined(topic, config, make_token())
    await peer.broadcast(topic, "e", {})
    track = {"type": "presence", "event": "track", "payload": {}}
    assert await peer.ask(topic, "presence", track) == {"status": "error", "response": {}}
    database.execute("alter policy raises on realtime.messages with check (false)")
    await denied.joined(topic, config, make_token())
    await denied.broadcast(topic, "e", {})
    await denied.settled(topic)
    database.execute("drop policy raises on realtime.messages")
    policy("insert", "true")
    assert (await peer.ask(topic, "broadcast", {"event": "e"}))["status"] == "ok"
    assert (await peer.ask(topic, "presence", track))["status"] == "ok"
    ref = await denied.broadcast(topic, "e", {})
    assert ref not in [frame.ref for frame in await denied.settled(topic)]


async def test_s5_private_is_about_broadcast_and_presence_and_row_changes_need_their_own_policies(
    peer: Peer,
    database: Connection,
    make_table: Callable[..., str],
    make_token: MakeToken,
    policy: Policy,
    topic: str,
) -> None:
    policy("select", "true")
    hidden, open_ = make_table("id int primary key", rls=True), make_table("id int primary key")
    bindings: list[dict[str, Any]] = [{"event": "*", "schema": "public", "table": table} for table in (hidden, open_)]
    await peer.subscribed(topic, *bindings, token=make_token(), private=True)
    database.execute(f"insert into public.{hidden} values (1)".encode())
    database.execute(f"insert into public.{open_} values (1)".encode())
    assert (await peer.next("postgres_changes")).payload["data"]["table"] == open_
    assert await peer.settled() == []


async def test_s5_without_the_right_to_read_a_private_channel_gets_no_row_changes_either(
    peer: Peer, make_table: Callable[..., str], make_token: MakeToken, topic: str
) -> None:
    binding = {"event": "*", "schema": "public", "table": make_table("id int primary key")}
    reply = await peer.join(topic, {"private": True, "postgres_changes": [binding]}, make_token())
    assert reply["response"]["reason"].startswith("Unauthorized: ")
