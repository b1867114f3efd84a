"""Section 4.1 of the facts: broadcasts over the socket."""

import pytest

from tests.support.peer import Peer, kind_3
from tests.support.realtime_fixtures import Connect, Connection, Policy


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_s4_1_text_is_relayed_as_it_came(connect: Connect, topic: str, version: str) -> None:
    sender, one, two = await connect(version), await connect("1.0.0"), await connect("2.0.0")
    for socket in (sender, one, two):
        await socket.joined(topic)
    payload = {"type": "broadcast", "event": "e", "payload": {"é": [None]}, "more": 1}
    await sender.push(topic, "broadcast", payload)
    for socket in (one, two):
        assert (await socket.next("broadcast", topic)).payload == payload


async def test_s4_1_public_and_private_channels_of_one_name_are_separate(
    connect: Connect, reader: Peer, database: Connection, policy: Policy, topic: str
) -> None:
    policy("insert", "true", "anon")
    public, speaker = await connect(), await connect()
    await public.joined(topic, {"broadcast": {"ack": True}})
    await speaker.joined(topic, {"private": True, "broadcast": {"ack": True}})
    await public.ask(topic, "broadcast", {"event": "in public"})
    await speaker.ask(topic, "broadcast", {"event": "in private"})
    assert (await reader.next("broadcast")).payload == {"event": "in private"}
    assert await reader.settled() == []
    assert await public.settled() == []


@pytest.mark.parametrize("to_self", [True, False])
async def test_s4_1_self_is_about_the_sending_channel_alone(
    connect: Connect, peer: Peer, topic: str, to_self: bool
) -> None:
    other = await connect()
    for socket in (peer, other):
        await socket.joined(topic, {"broadcast": {"self": to_self}})
    await peer.broadcast(topic, "e", {})
    await other.next("broadcast", topic)
    assert len(await peer.settled()) == int(to_self)


@pytest.mark.parametrize("ack", [True, False])
async def test_s4_1_a_broadcast_is_acknowledged_if_that_was_asked_for(peer: Peer, topic: str, ack: bool) -> None:
    await peer.joined(topic, {"broadcast": {"ack": ack}})
    ref = await peer.broadcast(topic, "e", {})
    replies = [(frame.ref, frame.payload) for frame in await peer.settled()]
    assert replies == ([(ref, {"status": "ok", "response": {}})] if ack else [])


async def test_s4_1_a_broadcast_has_no_meta_of_its_own(connect: Connect, peer: Peer, topic: str) -> None:
    first = await connect("1.0.0")
    await first.joined(topic)
    await peer.joined(topic)
    await peer.send_raw(kind_3(topic, "e", b'{"n":1}'))
    assert (await first.next("broadcast")).payload == {"event": "e", "payload": {"n": 1}, "type": "broadcast"}


async def test_s4_1_broadcasts_arrive_in_the_order_in_which_they_were_sent(
    connect: Connect, peer: Peer, topic: str
) -> None:
    other = await connect()
    await other.joined(topic)
    await peer.joined(topic)
    for n in range(100):
        await peer.broadcast(topic, "e", n)
    heard = [(await other.next("broadcast")).payload["payload"] for _ in range(100)]
    assert heard == list(range(100))
