"""Section 1.4 of the facts: what waits for a policy, and what does not."""

from tests.support.peer import Peer
from tests.support.realtime_fixtures import Connection, Policy


async def test_s1_4_a_channel_that_waits_for_its_policy_holds_up_no_other(
    peer: Peer, database: Connection, policy: Policy, topic: str
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
    peer: Peer, database: Connection, policy: Policy, topic: str
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
