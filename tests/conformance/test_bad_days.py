"""A hosted project's bad days: a cold start, missing partitions, and frames that get lost on their way."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.peer import PATIENCE, name
from tests.support.realtime_fixtures import Connection, Policy, Start
from tests.support.stand_in import StandIn
from worker.local.stack import Stack

READY = {"private": True, "broadcast": {"replication_ready": True}}


@contextmanager
def fault(stand_in: StandIn, **wanted: Any) -> Iterator[int]:
    """Answers its id; taken back at the end."""
    answer = httpx.post(f"{stand_in.url}/faults", json=wanted)
    assert answer.status_code == 201, answer.text
    yield answer.json()["id"]
    assert httpx.delete(f"{stand_in.url}/faults/{answer.json()['id']}").status_code == 204


def _met(stand_in: StandIn, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while not any(plan["id"] == number and plan["met"] for plan in httpx.get(f"{stand_in.url}/faults").json()):
        assert time.monotonic() < deadline, "the fault met nothing"
        time.sleep(0.01)


async def met(stand_in: StandIn, number: int) -> None:
    """Until the fault has met something."""
    await asyncio.to_thread(_met, stand_in, number)


@pytest.fixture
def partitions_again(realtime: Stack) -> Iterator[None]:
    yield
    with psycopg.connect(realtime.postgres.url("supabase_admin")) as connection:
        connection.execute("select realtime.make_partitions()")


async def test_what_is_sent_before_replication_runs_is_never_delivered(
    everybody_reads: None, start: Start, peers: Any, database: Connection, topic: str
) -> None:
    """2.129.8, lib/realtime/tenants/connect.ex: joins are answered while replication starts."""
    (peer,) = await peers(start(replication_start_ms="4000"))
    await peer.joined(topic, READY)
    database.execute("select realtime.send('{}', 'early', %s)", [name(topic)])
    said = await peer.next("system", topic)
    assert (said.payload["status"], said.payload["message"]) == ("ok", "Replication connection established")
    database.execute("select realtime.send('{}', 'late', %s)", [name(topic)])
    assert (await peer.next("broadcast", topic)).payload["event"] == "late"


async def test_a_channel_that_waits_for_replication_in_vain_is_closed(start: Start, peers: Any, topic: str) -> None:
    """2.129.8, lib/realtime_web/channels/realtime_channel.ex: after a minute."""
    (peer,) = await peers(start(replication_start_ms="3600000", replication_ready_timeout_ms="100"))
    await peer.joined(topic, {"broadcast": {"replication_ready": True}})
    said = await peer.next("system", topic)
    assert (said.payload["status"], said.payload["message"]) == (
        "error",
        "Replication connection was not established in time",
    )
    await peer.next("phx_close", topic)


async def test_without_partitions_nothing_is_stored_and_private_channels_are_refused(
    everybody_reads: None,
    partitions_again: None,
    start: Start,
    peers: Any,
    policy: Policy,
    database: Connection,
    topic: str,
) -> None:
    """2.129.8, lib/realtime/tenants/authorization.ex and single_broadcast.ex."""
    policy("insert", "true", "anon")
    stand_in = start(partitions="never")
    warnings: list[str] = []
    database.add_notice_handler(lambda notice: warnings.append(str(notice.message_primary)))
    database.execute("select realtime.send('{}', 'e', %s)", [name(topic)])
    assert warnings == ['WarnSendingBroadcastMessage: no partition of relation "messages" found for row']
    assert database.execute("select count(*) from realtime.messages").fetchone() == (0,)

    (peer,) = await peers(stand_in)
    assert (await peer.join(topic, {"private": True}))["response"] == {
        "reason": "MissingPartition: Realtime was unable to find the expected messages partition"
    }
    await peer.joined(topic)
    message = {"topic": name(topic), "event": "e", "payload": {}}
    assert stand_in.send({**message, "private": True}, message).status_code == 202
    await peer.next("broadcast", topic)
    refused = stand_in.send_one(name(topic), "e", {}, private="true")
    assert (refused.status_code, refused.json()) == (422, {"message": "Missing messages partition"})


async def test_the_first_join_makes_the_partitions(
    everybody_reads: None, partitions_again: None, start: Start, peers: Any, database: Connection, topic: str
) -> None:
    """2.129.8, lib/realtime/tenants/connect.ex."""
    stand_in = start(partitions="at_join")
    database.execute("select realtime.send('{}', 'early', %s)", [name(topic)])
    (peer,) = await peers(stand_in)
    await peer.joined(topic, {"private": True, "broadcast": {"replay": {"since": 0, "limit": 5}}})
    database.execute("select realtime.send('{}', 'late', %s)", [name(topic)])
    assert (await peer.next("broadcast", topic)).payload["event"] == "late"


@pytest.mark.parametrize("direction", ["up", "down", "both"])
async def test_swallowed_frames_leave_a_socket_that_seems_well(start: Start, peers: Any, direction: str) -> None:
    """A heartbeat that nobody answers; a new socket is well, and the old one is again when that is over."""
    stand_in = start(faults="true")
    (deaf,) = await peers(stand_in)
    await deaf.settled()
    with fault(stand_in, fault="swallow", direction=direction) as asked:
        ref = await deaf.push("phoenix", "heartbeat", {}, join_ref=None)
        (late,) = await peers(stand_in)
        assert await late.settled() == []
        await met(stand_in, asked)
    await deaf.settled()
    assert [frame for frame in deaf.heard if frame.ref == ref] == []
    assert deaf.close_code is None


async def test_frames_of_one_topic_and_role_are_swallowed_for_new_sockets_too(
    start: Start, peers: Any, secret_key: str, topic: str
) -> None:
    stand_in = start(faults="true")
    with fault(
        stand_in, fault="swallow", direction="down", role="anon", topic=name(topic), new_sockets=True
    ) as asked:
        deaf, elsewhere = await peers(stand_in, 2)
        (service,) = await peers(stand_in, apikey=secret_key)
        await elsewhere.joined(f"{topic}-other")
        await service.joined(topic)
        ref = await deaf.push(topic, "phx_join", {"config": {}})
        await met(stand_in, asked)
        await service.settled()
        await elsewhere.settled()
    await deaf.settled()
    assert [frame for frame in deaf.heard if frame.ref == ref] == []


async def test_the_databases_broadcasts_can_be_lost_while_sockets_are_well(
    everybody_reads: None, start: Start, peers: Any, database: Connection, topic: str
) -> None:
    stand_in = start(faults="true")
    (peer,) = await peers(stand_in)
    await peer.joined(topic, {"private": True})
    with fault(stand_in, fault="lose_broadcasts", topic=name(topic)) as asked:
        database.execute("select realtime.send('{}', 'lost', %s)", [name(topic)])
        await met(stand_in, asked)
    database.execute("select realtime.send('{}', 'heard', %s)", [name(topic)])
    assert (await peer.next("broadcast", topic)).payload["event"] == "heard"


def test_faults_cannot_be_asked_for_unless_they_are_switched_on(start: Start) -> None:
    assert httpx.get(f"{start(partitions='at_start').url}/faults").status_code == 404


def test_a_fault_that_is_none_is_refused(start: Start) -> None:
    stand_in = start(faults="true")
    answer = httpx.post(f"{stand_in.url}/faults", json={"fault": "swallow", "direction": "sideways"})
    assert answer.status_code == 400
    assert httpx.get(f"{stand_in.url}/faults").json() == []


async def test_partitions_older_than_three_days_are_dropped_and_no_others(
    realtime: Stack, partitions_again: None, start: Start, database: Connection
) -> None:
    """2.129.8, lib/realtime/messages.ex."""
    with psycopg.connect(realtime.postgres.url("supabase_admin")) as connection:
        connection.execute(
            "create table public.nobodys_partitions (day date) partition by range (day);"
            "create table public.nobodys_partition partition of public.nobodys_partitions default;"
            "create table realtime.messages_2020_01_01 partition of realtime.messages"
            " for values from ('2020-01-01') to ('2020-01-02');"
            "alter table realtime.messages_2020_01_01 owner to supabase_realtime_admin"
        )
    start(client_presence_max_calls="4")  # one of its own
    left = database.execute(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'realtime.messages'::regclass"
    ).fetchall()
    assert "realtime.messages_2020_01_01" not in {name for (name,) in left}
    assert len(left) == 5
    with psycopg.connect(realtime.postgres.url("supabase_admin")) as connection:
        connection.execute("drop table public.nobodys_partitions")
