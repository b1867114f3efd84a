"""Section 6 of the facts: presence."""

from typing import Any

import pytest

from tests.support.peer import Peer
from tests.support.realtime_fixtures import Connect

OK = {"status": "ok", "response": {}}


def present(key: str = "", *, enabled: bool = True) -> dict[str, Any]:
    return {"presence": {"key": key, "enabled": enabled}}


async def track(peer: Peer, topic: str, payload: Any, event: str = "track") -> dict[str, Any]:
    return await peer.ask(topic, "presence", {"type": "presence", "event": event, "payload": payload})


async def diff(peer: Peer) -> tuple[dict[str, Any], dict[str, Any]]:
    payload = (await peer.next("presence_diff")).payload
    assert payload.keys() == {"joins", "leaves"}
    return payload["joins"], payload["leaves"]


async def test_s6_a_track_is_told_to_all_the_tracker_included(connect: Connect, peer: Peer, topic: str) -> None:
    other = await connect("1.0.0")
    await peer.joined(topic, present("ann"))
    await other.joined(topic, present())
    assert await track(peer, topic, {"mood": "glad"}) == OK
    for socket in (peer, other):
        joins, leaves = await diff(socket)
        (meta,) = joins["ann"]["metas"]
        assert (meta.pop("phx_ref")[0], meta, leaves) == ("F", {"mood": "glad"}, {})


async def test_s6_the_state_comes_once_after_the_join(connect: Connect, peer: Peer, topic: str) -> None:
    await peer.joined(topic, present("ann"))
    assert (await peer.next("presence_state")).payload == {}
    await track(peer, topic, {"n": 1})
    joins, _ = await diff(peer)
    late = await connect()
    await late.joined(topic, present())
    assert (await late.next("presence_state")).payload == joins
    assert await late.settled() == []


async def test_s6_another_track_replaces_the_first(peer: Peer, topic: str) -> None:
    await peer.joined(topic, present("ann"))
    await track(peer, topic, {"n": 1})
    first, _ = await diff(peer)
    await track(peer, topic, {"n": 2})
    joins, leaves = await diff(peer)
    (meta,) = joins["ann"]["metas"]
    assert leaves == first
    assert (meta["n"], meta["phx_ref_prev"]) == (2, first["ann"]["metas"][0]["phx_ref"])
    assert meta["phx_ref"] != meta["phx_ref_prev"]


async def test_s6_an_identical_track_is_fine_and_no_news(peer: Peer, topic: str) -> None:
    await peer.joined(topic, present())
    await track(peer, topic, {"n": 1})
    await diff(peer)
    assert await track(peer, topic, {"n": 1}) == OK
    await peer.next("presence_state")
    assert await peer.settled() == []


@pytest.mark.parametrize("event", ["untrack", "UNTRACK"])
async def test_s6_an_untrack_leaves_and_may_be_followed_by_the_same_track(peer: Peer, topic: str, event: str) -> None:
    await peer.joined(topic, present("ann"))
    await track(peer, topic, {"n": 1})
    joined, _ = await diff(peer)
    assert await track(peer, topic, {}, event) == OK
    assert await diff(peer) == ({}, joined)
    await track(peer, topic, {"n": 1}, "Track")
    assert (await diff(peer))[0].keys() == {"ann"}


@pytest.mark.parametrize("way", ["leave", "disconnect", "join again"])
async def test_s6_whoever_goes_has_left(connect: Connect, peer: Peer, topic: str, way: str) -> None:
    other = await connect()
    await peer.joined(topic, present())
    await other.joined(topic, present("ben"))
    await track(other, topic, {"n": 1})
    joined, _ = await diff(peer)
    if way == "leave":
        await other.push(topic, "phx_leave", {})
    elif way == "disconnect":
        await other.__aexit__(None, None, None)
    else:
        await other.joined(topic, present("ben"))
    assert await diff(peer) == ({}, joined)


async def test_s6_several_channels_may_share_a_key(connect: Connect, peer: Peer, topic: str) -> None:
    tabs = [await connect(), await connect()]
    for n, tab in enumerate(tabs):
        await tab.joined(topic, present("ann"))
        await track(tab, topic, {"tab": n})
    await peer.joined(topic, present())
    state = (await peer.next("presence_state")).payload
    assert [meta["tab"] for meta in state["ann"]["metas"]] == [0, 1]
    await tabs[0].push(topic, "phx_leave", {})
    _, leaves = await diff(peer)
    assert [meta["tab"] for meta in leaves["ann"]["metas"]] == [0]


async def test_s6_without_a_key_each_channel_has_one_of_its_own(connect: Connect, peer: Peer, topic: str) -> None:
    await peer.joined(topic, present())
    other = await connect()
    await other.joined(topic, present())
    await track(peer, topic, {})
    await track(other, topic, {})
    keys = [key for _ in range(2) for key in (await diff(peer))[0]]
    assert len({*keys}) == 2
    assert all(len(key) == 36 for key in keys)


async def test_s6_a_payload_must_be_a_map(peer: Peer, topic: str) -> None:
    await peer.joined(topic, present())
    assert await track(peer, topic, [1]) == {
        "status": "error",
        "response": {"reason": "Presence track payload must be a map"},
    }


async def test_s6_an_unknown_event_is_an_error(peer: Peer, topic: str) -> None:
    await peer.joined(topic, present())
    assert await track(peer, topic, {}, "dance") == {"status": "error", "response": {}}


async def test_s6_an_event_that_is_no_text_ends_the_channel(peer: Peer, topic: str) -> None:
    """2.129.8, lib/realtime_web/channels/realtime_channel/presence_handler.ex: it raises."""
    await peer.joined(topic, present())
    await peer.push(topic, "presence", {"event": 7})
    await peer.next("phx_error", topic)
    assert (await peer.ask(topic, "presence", {"event": "track"}))["response"] == {"reason": "unmatched topic"}


async def test_s6_a_track_enables_presence_and_brings_the_state(connect: Connect, peer: Peer, topic: str) -> None:
    other = await connect()
    await other.joined(topic, present("ben"))
    await track(other, topic, {"n": 1})
    await peer.joined(topic, present("ann", enabled=False))
    assert await peer.settled() == []
    await track(peer, topic, {"n": 2})
    assert (await peer.next("presence_state")).payload.keys() == {"ann", "ben"}


async def test_s6_the_state_follows_the_reply_to_the_track_that_enables_it(peer: Peer, topic: str) -> None:
    """2.129.8 with #2196, lib/realtime_web/channels/realtime_channel.ex, maybe_sync_presence."""
    await peer.joined(topic, present("ann", enabled=False))
    await peer.push(topic, "presence", {"type": "presence", "event": "track", "payload": {}})
    first = [await peer.first(lambda frame: frame.topic == topic) for _ in range(3)]
    assert [frame.event for frame in first] == ["presence_diff", "phx_reply", "presence_state"]


async def test_s6_rooms_of_one_name_are_separate(connect: Connect, peer: Peer, secret_key: str, topic: str) -> None:
    service = await connect(apikey=secret_key)
    await service.joined(topic, {"private": True, **present("hidden")})
    await peer.joined(topic, present())
    await track(service, topic, {"secret": 1})
    assert (await peer.next("presence_state")).payload == {}
    assert await peer.settled() == []


async def test_s6_more_than_five_calls_in_half_a_minute_close_the_channel(peer: Peer, topic: str) -> None:
    await peer.joined(topic, present())
    for n in range(5):
        assert await track(peer, topic, {"n": n}) == OK
    await peer.push(topic, "presence", {"event": "track", "payload": {}})
    said = (await peer.next("system", topic)).payload
    assert (said["status"], said["message"]) == ("error", "Client presence rate limit exceeded")
    await peer.next("phx_close", topic)
    assert (await peer.ask(topic, "presence", {}))["response"] == {"reason": "unmatched topic"}
