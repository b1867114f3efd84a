"""Section 4.6 of the facts: replay."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest

from tests.support.peer import Peer, name
from tests.support.realtime_fixtures import Connect, Connection, Policy


def store(database: Connection, topic: str, count: int, **columns: Any) -> None:
    """Some messages a second apart, the newest a second old."""
    row = {"event": "stored", "private": True, "extension": "broadcast", **columns}
    database.execute(
        "insert into realtime.messages (topic, extension, event, private, payload, inserted_at)"
        " select %s, %s, %s, %s, jsonb_build_object('n', n),"
        "   now() at time zone 'utc' - (%s - n) * interval '1 second' from generate_series(0, %s - 1) n",
        [name(topic), row["extension"], row["event"], row["private"], count, count],
    )


async def broadcast_is_over(connect: Connect, database: Connection) -> None:
    """Broadcasts leave in the order in which they were stored; whoever joins from now on hears none of them live."""
    witness, topic = await connect(), f"realtime:{uuid4()}"
    await witness.joined(topic, {"private": True})
    database.execute("select realtime.send('{}', 'over', %s, true)", [name(topic)])
    await witness.next("broadcast", topic)


def replaying(since: Any = 0, **limit: Any) -> dict[str, Any]:
    return {"private": True, "broadcast": {"replay": {"since": since, **limit}}}


async def replayed(connect: Connect, topic: str, replay: Any) -> list[int]:
    """What a new socket is shown at its join."""
    peer = await connect()
    await peer.joined(topic, {"private": True, "broadcast": {"replay": replay}})
    return [frame.payload["payload"]["n"] for frame in await peer.settled()]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [({}, 10), ({"limit": None}, 10), ({"limit": 3}, 3), ({"limit": 99}, 25), ({"limit": 0}, 1)],
)
async def test_s4_6_the_newest_are_replayed_oldest_first_after_the_reply(
    everybody_reads: None,
    connect: Connect,
    peer: Peer,
    database: Connection,
    topic: str,
    limit: dict[str, int],
    expected: int,
) -> None:
    store(database, topic, 30)
    await broadcast_is_over(connect, database)
    await peer.joined(topic, replaying(**limit))
    heard = [frame for frame in await peer.settled() if frame.event == "broadcast"]
    assert [frame.payload["payload"]["n"] for frame in heard] == list(range(30 - expected, 30))
    assert {(frame.join_ref, frame.ref, frame.payload["event"]) for frame in heard} == {("1", None, "stored")}
    assert all(frame.payload["meta"].keys() == {"replayed", "id"} for frame in heard)


async def test_s4_6_only_this_private_channels_broadcasts_since_then_are_replayed(
    everybody_reads: None, connect: Connect, peer: Peer, database: Connection, topic: str
) -> None:
    store(database, f"{topic}-other", 1)
    store(database, topic, 1, private=False)
    store(database, topic, 1, extension="presence")
    store(database, topic, 20)
    await broadcast_is_over(connect, database)
    since = int((time.time() - 5.5) * 1000)
    assert len(await replayed(connect, topic, {})) == 10  # PR #2169: without a time, from the beginning
    assert len(await replayed(connect, topic, {"since": None, "limit": 7})) == 7
    await peer.joined(topic, replaying(since))
    heard = [frame.payload["payload"]["n"] for frame in await peer.settled()]
    assert heard in ([15, 16, 17, 18, 19], [16, 17, 18, 19])


@pytest.mark.parametrize("replay", [None, 5, "all", [1]])
async def test_s4_6_what_is_no_object_replays_nothing(
    everybody_reads: None, connect: Connect, peer: Peer, database: Connection, topic: str, replay: Any
) -> None:
    """2.129.8, lib/realtime_web/channels/realtime_channel.ex, maybe_replay_messages."""
    store(database, topic, 3)
    await broadcast_is_over(connect, database)
    assert await replayed(connect, topic, replay) == []


async def test_s4_6_bytes_are_replayed_to_version_2_alone(
    everybody_reads: None, connect: Connect, peer: Peer, database: Connection, topic: str
) -> None:
    database.execute("select realtime.send_binary('\\x00ff', 'bytes', %s)", [name(topic)])
    await broadcast_is_over(connect, database)
    first = await connect("1.0.0")
    for socket in (peer, first):
        await socket.joined(topic, replaying())
    heard = (await peer.next("broadcast")).payload
    assert (heard["payload"], heard["encoding"]) == (b"\x00\xff", 0)
    assert json.loads(heard["metadata"])["replayed"] is True
    assert await first.settled() == []


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            {"broadcast": {"replay": {"since": 0}}},
            "UnableToReplayMessages: Replay is not allowed for public channels",
        ),
        ({"broadcast": {"replay": None}}, "UnableToReplayMessages: Replay is not allowed for public channels"),
        (replaying("yesterday"), "UnableToReplayMessages: Replay params are not valid"),
        (replaying(0, limit="all"), "UnableToReplayMessages: Replay params are not valid"),
    ],
)
async def test_s4_6_what_cannot_be_replayed_fails_the_join(
    everybody_reads: None, peer: Peer, topic: str, config: dict[str, Any], reason: str
) -> None:
    assert (await peer.join(topic, config))["response"] == {"reason": reason}


@pytest.mark.parametrize("since", [10**18, -(10**18), 10**400])
async def test_s4_6_a_time_that_no_calendar_knows_fails_the_join(
    everybody_reads: None, peer: Peer, topic: str, since: int
) -> None:
    reason = (await peer.join(topic, replaying(since)))["response"]["reason"]
    assert reason.startswith("UnableToReplayMessages: ")


async def test_s4_6_who_may_not_read_gets_no_replay(
    peer: Peer, database: Connection, policy: Policy, topic: str
) -> None:
    policy("select", "extension = 'presence'", "anon")
    store(database, topic, 3)
    config = {**replaying(), "presence": {"enabled": True}}
    reply = await peer.join(topic, config)
    assert reply["response"]["reason"].startswith("Unauthorized: ")
    assert await peer.settled() == []
