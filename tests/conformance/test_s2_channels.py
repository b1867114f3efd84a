"""Section 2 of the facts: joins and their replies, leaving, joining again."""

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from tests.support.peer import Peer
from tests.support.realtime_fixtures import Connect, MakeTable, MakeToken
from worker.local.realtime.settings import Settings


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
    unsigned = jwt.encode({"role": "service_role", "exp": time.time() + 60}, None, "none")
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


async def test_s2_6_leaving_is_answered_and_then_closed_with_the_join_ref(peer: Peer, topic: str) -> None:
    await peer.joined(topic)
    ref = await peer.push(topic, "phx_leave", {})
    reply = await peer.first(lambda frame: frame.topic == topic)
    assert (reply.event, reply.ref, reply.payload) == ("phx_reply", ref, {"status": "ok", "response": {}})
    closed = await peer.first(lambda frame: frame.topic == topic)
    assert (closed.event, closed.join_ref, closed.ref, closed.payload) == ("phx_close", "1", "1", {})


async def test_s2_6_leaving_a_topic_that_is_not_joined_is_answered_alone(peer: Peer, topic: str) -> None:
    assert await peer.ask(topic, "phx_leave", {}) == {"status": "ok", "response": {}}
    assert await peer.settled() == []


async def test_s2_6_who_has_left_hears_nothing(connect: Connect, peer: Peer, topic: str) -> None:
    other = await connect()
    for socket in (peer, other):
        await socket.joined(topic, {"broadcast": {"ack": True}})
    await peer.ask(topic, "phx_leave", {})
    await peer.next("phx_close", topic)
    await other.ask(topic, "broadcast", {"event": "e"})
    assert await peer.settled() == []


async def test_s2_6_joining_again_replaces_the_channel_and_keeps_the_stale_close_back(
    connect: Connect, peer: Peer, topic: str
) -> None:
    """What differs from the real server: see worker/local/realtime/README.md."""
    other = await connect()
    await other.joined(topic, {"broadcast": {"ack": True}})
    await peer.joined(topic)
    await peer.joined(topic)
    await other.ask(topic, "broadcast", {"event": "e"})
    await peer.next("broadcast", topic)
    assert await peer.settled() == []  # once, and no phx_close


@pytest.mark.parametrize("join_ref", [None, "999"])
async def test_s2_6_a_missing_or_stale_join_ref_is_tolerated(peer: Peer, topic: str, join_ref: str | None) -> None:
    """The reply carries the channel's own (phoenix 1.8, lib/phoenix/channel/server.ex)."""
    await peer.joined(topic, {"broadcast": {"self": True, "ack": True}})
    await peer.push(topic, "broadcast", {"event": "e"}, join_ref=join_ref)
    await peer.next("broadcast", topic)
    assert (await peer.next("phx_reply", topic)).join_ref == "1"


async def test_s2_6_what_belongs_to_no_channel_is_answered_without_a_join_ref(peer: Peer, topic: str) -> None:
    """phoenix 1.8, lib/phoenix/socket.ex. Leaving what is not joined is the exception."""
    for to, event, payload in (
        (topic, "broadcast", {}),
        ("room:1", "phx_join", {}),
        ("phoenix", "heartbeat", {}),
    ):
        ref = await peer.push(to, event, payload, join_ref="7")
        assert (await peer.next("phx_reply", to, ref=ref)).join_ref is None
    ref = await peer.push(topic, "phx_leave", {}, join_ref="7")
    assert (await peer.next("phx_reply", topic, ref=ref)).join_ref == "7"


async def test_s2_6_a_join_without_a_join_ref_is_closed_without_one(connect: Connect, topic: str) -> None:
    first = await connect("1.0.0")
    await first.joined(topic)
    await first.ask(topic, "phx_leave", {})
    assert (await first.next("phx_close", topic)).ref is None


async def test_s2_6_leaving_and_joining_at_once_is_answered_in_that_order(peer: Peer, topic: str) -> None:
    """The real server may answer the join first: see worker/local/realtime/README.md."""
    await peer.joined(topic)
    await peer.push(topic, "phx_leave", {}, ref="leave")
    await peer.push(topic, "phx_join", {"config": {}}, ref="join", join_ref="join")
    await peer.next("phx_reply", topic, ref="join")
    assert [(frame.event, frame.ref) for frame in peer.heard] == [("phx_reply", "leave"), ("phx_close", "1")]
    assert (await peer.ask(topic, "phx_leave", {}))["status"] == "ok"


async def test_s1_4_a_channel_that_waits_for_its_policy_holds_up_no_other(
    peer: Peer, database: Any, policy: Callable[..., None], topic: str
) -> None:
    """2.129.8, and phoenix 1.8, lib/phoenix/channel/server.ex: each channel is a process; only joins block."""
    slow, quick = f"{topic}-slow", f"{topic}-quick"
    policy("select", "true", "anon")
    policy("insert", "pg_advisory_xact_lock_shared(4711) is not null", "anon")
    for each in (slow, quick):
        await peer.joined(each, {"private": each == slow, "broadcast": {"ack": True}})
    database.execute("select pg_advisory_lock(4711)")
    ref = await peer.broadcast(slow, "e", {})
    assert (await peer.ask(quick, "broadcast", {"event": "e"}))["status"] == "ok"
    assert ref not in [frame.ref for frame in await peer.settled()]
    database.execute("select pg_advisory_unlock(4711)")
    assert (await peer.next("phx_reply", slow, ref=ref)).payload["status"] == "ok"


async def test_s1_4_events_of_one_channel_are_handled_in_their_order(
    peer: Peer, database: Any, policy: Callable[..., None], topic: str
) -> None:
    policy("select", "true", "anon")
    policy("insert", "pg_advisory_xact_lock_shared(4712) is not null", "anon")
    await peer.joined(topic, {"private": True, "broadcast": {"ack": True, "self": True}})
    database.execute("select pg_advisory_lock(4712)")
    for event in ("first", "second"):
        await peer.broadcast(topic, event, {})
    ref = await peer.push(topic, "phx_leave", {})
    database.execute("select pg_advisory_unlock(4712)")
    await peer.next("phx_reply", topic, ref=ref)
    heard = [frame.payload["event"] for frame in peer.heard if frame.event == "broadcast"]
    assert heard == ["first", "second"]


async def test_s2_6_an_unknown_event_is_ignored(peer: Peer, topic: str) -> None:
    await peer.joined(topic)
    await peer.push(topic, "whatever", {"a": 1})
    assert await peer.settled() == []


def test_s7_the_defaults_are_the_real_servers() -> None:
    usual = {name: field.default for name, field in Settings.model_fields.items()}
    assert usual["connect_error_backoff_ms"] == 2_000
    assert usual["channel_error_backoff_ms"] == 5_000
    assert usual["idle_timeout_ms"] == 60_000
    assert usual["poll_interval_ms"] == 100
    assert usual["subscribe_pause_ms"] == 1_000
    assert usual["access_token_throttle_ms"] == 10_000
    assert (usual["max_events_per_second"], usual["max_joins_per_second"]) == (100, 100)
    assert (usual["max_concurrent_users"], usual["max_channels_per_client"]) == (200, 100)
    assert (usual["max_payload_size_kb"], usual["max_presence_events_per_second"]) == (3_000, 1_000)
    assert (usual["client_presence_max_calls"], usual["client_presence_window_ms"]) == (5, 30_000)
