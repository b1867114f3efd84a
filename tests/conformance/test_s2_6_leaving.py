"""Section 2.6 of the facts: leaving, joining again, and what belongs to no channel."""

import pytest

from tests.support.peer import Peer
from tests.support.realtime_fixtures import Connect


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
    for to, event in ((topic, "broadcast"), ("room:1", "phx_join"), ("phoenix", "heartbeat")):
        ref = await peer.push(to, event, {}, join_ref="7")
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


async def test_s2_6_an_unknown_event_is_ignored(peer: Peer, topic: str) -> None:
    await peer.joined(topic)
    await peer.push(topic, "whatever", {"a": 1})
    assert await peer.settled() == []
