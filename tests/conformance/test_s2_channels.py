"""Section 2 of the facts: joins and their replies."""

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from tests.support.peer import Peer
from tests.support.realtime_fixtures import Connect, MakeTable, MakeToken


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
async def test_s2_1_a_flag_may_be_text(peer: Peer, topic: str, text: str) -> None:
    """2.129.8, lib/realtime_web/channels/payloads/flexible_boolean.ex."""
    await peer.joined(topic, {"broadcast": {"self": text, "ack": text}, "private": "false"})
    await peer.broadcast(topic, "e", {})
    await peer.next("broadcast", topic)
    await peer.next("phx_reply", topic)
    await peer.joined(f"{topic}-present", {"presence": {"enabled": text}})
    await peer.next("presence_state", f"{topic}-present")
    reply = await peer.join(f"{topic}-private", {"private": text})
    assert reply["response"]["reason"].startswith("Unauthorized: ")


@pytest.mark.parametrize(
    "config",
    [
        {"broadcast": 1, "presence": [], "postgres_changes": None},
        {"broadcast": {"ack": "yes"}, "private": 7, "postgres_changes": {}},
        {"presence": {"key": [5], "enabled": None}, "postgres_changes": [None]},
        None,
    ],
)
async def test_s2_1_a_field_that_does_not_parse_never_fails_a_join(peer: Peer, topic: str, config: Any) -> None:
    await peer.push(topic, "phx_join", {"config": config}, ref="1", join_ref="1")
    assert (await peer.next("phx_reply", topic)).payload == {"status": "ok", "response": {"postgres_changes": []}}


@pytest.mark.parametrize("config", [[], "x", {"postgres_changes": ["x"]}])
async def test_s2_1_a_config_or_a_binding_that_is_no_object_fails_the_join(
    peer: Peer, topic: str, config: Any
) -> None:
    """2.129.8, lib/realtime_web/channels/realtime_channel.ex: it raises, and is rescued."""
    await peer.push(topic, "phx_join", {"config": config}, ref="1", join_ref="1")
    reply = (await peer.next("phx_reply", topic)).payload
    assert reply["status"] == "error"
    assert reply["response"]["reason"].startswith("UnknownErrorOnChannel: ")


async def test_s2_1_the_first_clients_way_of_subscribing(peer: Peer, database: Any, make_table: MakeTable) -> None:
    """Without a config the topic is the subscription, and the event is the operation."""
    table = make_table("id int primary key")
    topic = f"realtime:public:{table}:id=eq.2"
    await peer.push(topic, "phx_join", {}, ref="1", join_ref="1")
    await peer.next("phx_reply", topic)
    await peer.next("system", topic)
    database.execute(f"insert into public.{table} values (1), (2)".encode())
    heard = await peer.next("INSERT", topic)
    assert (heard.payload["table"], heard.payload["record"]) == (table, {"id": 2})


async def test_s2_1_user_token_counts_before_access_token(peer: Peer, make_token: MakeToken, topic: str) -> None:
    reply = await peer.join(topic, {}, token=make_token(exp=1), user_token=make_token())
    assert reply["status"] == "ok"


async def test_s2_3_each_binding_is_echoed_unchanged_with_an_id(connect: Connect, peer: Peer, topic: str) -> None:
    wanted = [
        {"event": "*", "schema": "public", "table": "a", "filter": "id=eq.1", "unknown": [1]},
        {"event": "INSERT", "schema": "public"},
        {"event": "INSERT", "schema": "public"},
    ]
    echoed = (await peer.joined(topic, {"postgres_changes": wanted}))["postgres_changes"]
    assert [{name: value for name, value in each.items() if name != "id"} for each in echoed] == wanted
    ids = [each["id"] for each in echoed]
    assert all(isinstance(each, int) and 0 < each < 2**27 for each in ids)
    assert ids[1] == ids[2] != ids[0]
    other = await connect("1.0.0")
    again = (await other.joined(topic, {"postgres_changes": wanted}))["postgres_changes"]
    assert [each["id"] for each in again] == ids


async def test_s2_4_after_the_reply_come_state_replication_and_one_message_for_all_bindings(
    peer: Peer, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key")
    bindings = [{"event": event, "schema": "public", "table": table} for event in ("INSERT", "DELETE")]
    config = {"presence": {"enabled": True}, "broadcast": {"replication_ready": True}, "postgres_changes": bindings}
    await peer.joined(topic, config)
    name = topic.removeprefix("realtime:")
    assert (await peer.next("presence_state", topic)).payload == {}
    said = [(await peer.next("system", topic)).payload for _ in range(2)]
    assert {
        "channel": name,
        "extension": "system",
        "message": "Replication connection established",
        "status": "ok",
    } in said
    assert {
        "channel": name,
        "extension": "postgres_changes",
        "message": "Subscribed to PostgreSQL",
        "status": "ok",
    } in said
    assert await peer.settled() == []


async def test_s2_5_a_topic_needs_a_name(peer: Peer) -> None:
    reply = await peer.join("realtime:")
    assert reply == {"status": "error", "response": {"reason": "TopicNameRequired: You must provide a topic name"}}


async def test_s2_5_another_kind_of_topic_does_not_match(peer: Peer) -> None:
    assert await peer.join("room:1") == {"status": "error", "response": {"reason": "unmatched topic"}}


@pytest.mark.parametrize("event", ["broadcast", "presence", "access_token", "anything"])
async def test_s2_5_an_event_on_a_topic_that_is_not_joined_does_not_match(peer: Peer, topic: str, event: str) -> None:
    assert await peer.ask(topic, event, {}) == {"status": "error", "response": {"reason": "unmatched topic"}}


async def test_s2_5_a_private_channel_without_a_policy_is_refused(peer: Peer, topic: str) -> None:
    name = topic.removeprefix("realtime:")
    assert (await peer.join(topic, {"private": True}))["response"] == {
        "reason": f"Unauthorized: You do not have permissions to read from this Channel topic: {name}"
    }


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"role": None}, "InvalidJWTToken: Fields `role` and `exp` are required in JWT"),
        ({"exp": None}, "InvalidJWTToken: Fields `role` and `exp` are required in JWT"),
        ({"exp": "soon"}, "Unknown Error on Channel"),
        ({"iat": "yesterday"}, "Unknown Error on Channel"),
        (
            {"secret": "another project's secret, long enough"},
            "JwtSignatureError: Failed to validate JWT signature",
        ),
    ],
)
async def test_s2_5_a_bad_token_is_refused_in_these_words(
    peer: Peer, make_token: MakeToken, topic: str, claims: dict[str, Any], reason: str
) -> None:
    reply = await peer.join(topic, {}, token=make_token(**claims))
    assert reply == {"status": "error", "response": {"reason": reason}}


async def test_s2_5_an_expired_token_is_refused_with_its_age(peer: Peer, make_token: MakeToken, topic: str) -> None:
    reply = await peer.join(topic, {}, token=make_token(exp=int(time.time()) - 60))
    reason = reply["response"]["reason"]
    assert reason in {f"InvalidJWTToken: Token has expired {seconds} seconds ago" for seconds in range(60, 65)}


async def test_s2_5_what_is_no_token_or_is_signed_by_nobody_is_refused(peer: Peer, topic: str) -> None:
    for nonsense in ("nonsense", ""):
        reply = await peer.join(topic, {}, access_token=nonsense)
        assert reply["response"]["reason"] == "MalformedJWT: The token provided is not a valid JWT"
    unsigned = jwt.encode({"role": "service_role", "exp": time.time() + 60}, "", "none")
    reply = await peer.join(topic, {}, token=unsigned)
    assert reply["response"]["reason"] == (
        "JwtSignerError: Failed to generate JWT signer, check your JWT secret or JWKS configuration"
    )


async def test_s2_5_a_role_that_does_not_exist_may_read_nothing(
    peer: Peer, make_token: MakeToken, policy: Callable[..., None], topic: str
) -> None:
    policy("select", "true", "public")
    for role in ("nobody_knows", "postgres", "supabase_admin"):
        reply = await peer.join(topic, {"private": True}, token=make_token(role=role))
        assert reply["response"]["reason"].startswith("Unauthorized: "), role
