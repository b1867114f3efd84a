"""What realtime-py 2.34.1 says and hears: a client that checks every frame, and drops those that it does not know."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from realtime import AsyncRealtimeChannel, AsyncRealtimeClient, RealtimeSubscribeStates
from realtime import RealtimePostgresChangesListenEvent as Event

from tests.support.channel_options import options
from tests.support.peer import name
from tests.support.realtime_fixtures import Connection, MakeTable, MakeToken
from tests.support.waiting import until

MakeClient = Callable[..., Awaitable[AsyncRealtimeClient]]


@pytest.fixture
async def make_client(
    url: str, key: str, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Callable[..., Awaitable[AsyncRealtimeClient]]]:
    made: list[AsyncRealtimeClient] = []

    async def make(apikey: str = key, token: str | None = None) -> AsyncRealtimeClient:
        client = AsyncRealtimeClient(f"{url}/realtime/v1", token=apikey, auto_reconnect=False)
        made.append(client)
        await client.connect()
        if token:
            await client.set_auth(token)
        return client

    with caplog.at_level(logging.WARNING):
        yield make
        for client in made:
            await client.close()
    assert [record.message for record in caplog.records if "Unrecognized" in record.message] == []


class States:
    """What a channel's subscribe callback was told."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.errors: list[str] = []

    def __call__(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        self.names.append(state.value)
        if error:
            self.errors.append(str(error))


async def joined(client: AsyncRealtimeClient, topic: str, **config: Any) -> AsyncRealtimeChannel:
    channel = client.channel(name(topic), options(**config))
    await channel.subscribe()
    return channel


def are_present(channel: AsyncRealtimeChannel, *keys: str) -> bool:
    return set(channel.presence_state()) == {*keys}


async def test_s1_6_the_two_libraries_protocols_meet_in_one_channel(
    make_client: MakeClient, peer: Any, topic: str
) -> None:
    heard: list[Any] = []
    client = await make_client()
    channel = client.channel(name(topic))
    channel.on_broadcast("e", heard.append)
    await channel.subscribe()
    await peer.joined(topic)
    await channel.send_broadcast("e", {"from": "1.0.0"})
    assert (await peer.next("broadcast")).payload["payload"] == {"from": "1.0.0"}
    await peer.broadcast(topic, "e", {"from": "2.0.0"})
    await until(lambda: heard, "the broadcast")
    assert heard[0]["payload"] == {"from": "2.0.0"}


async def test_s2_3_bindings_match_and_row_changes_flow_after_the_system_message(
    make_client: MakeClient, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key, name text")
    heard: list[Any] = []
    said: list[Any] = []
    client = await make_client()
    channel = client.channel(name(topic))
    channel.on_postgres_changes(Event.Insert, heard.append, schema="public", table=table, filter="id=gt.1")
    channel.on_postgres_changes(Event.Delete, heard.append, schema="public", table=table)
    channel.on_system(said.append)
    await channel.subscribe()
    await until(lambda: said, "the system message")
    database.execute(f"insert into public.{table} values (1, 'a'), (2, 'b')".encode())
    database.execute(f"delete from public.{table} where id = 1".encode())
    await until(lambda: len(heard) == 2, "both changes")
    assert [change["data"]["type"] for change in heard] == ["INSERT", "DELETE"]
    assert heard[0]["data"]["record"] == {"id": 2, "name": "b"}
    assert heard[1]["data"]["old_record"] == {"id": 1}


async def test_s2_6_leaving_and_joining_again_ends_in_a_channel_that_hears(
    make_client: MakeClient, topic: str
) -> None:
    client, speaker = await make_client(), await make_client()
    states = States()
    heard: list[Any] = []
    channel = client.channel(name(topic))
    await channel.subscribe(states)
    await client.remove_channel(channel)
    again = client.channel(name(topic))
    again.on_broadcast("e", heard.append)
    await again.subscribe(states)
    other = await joined(speaker, topic)
    await other.send_broadcast("e", {})
    await until(lambda: heard, "the broadcast")
    assert states.names[0] == states.names[-1] == "SUBSCRIBED"


async def test_s2_6_a_second_join_of_the_same_topic_does_not_drop_the_channel(
    make_client: MakeClient, topic: str
) -> None:
    """The stale phx_close that the real server sends would: this client takes it for its new channel's own."""
    client = await make_client()
    states = States()
    heard: list[Any] = []
    channel = client.channel(name(topic), options(broadcast={"self": True, "ack": False}))
    channel.on_broadcast("e", heard.append)
    await channel.subscribe(states)
    await channel._rejoin()
    await channel.send_broadcast("e", {})
    await until(lambda: heard, "the broadcast")
    assert "CLOSED" not in states.names


async def test_s2_5_a_refusal_is_told_in_the_servers_words(make_client: MakeClient, topic: str) -> None:
    client = await make_client()
    states = States()
    channel = client.channel(name(topic), options(private=True))
    subscribing = asyncio.create_task(channel.subscribe(states))
    await until(lambda: states.names, "the refusal")
    subscribing.cancel()
    await asyncio.gather(subscribing, return_exceptions=True)
    assert states.names[0] == "CHANNEL_ERROR"
    assert "Unauthorized: You do not have permissions to read from this Channel topic" in states.errors[0]
    await client.remove_channel(channel)


async def test_s2_7_expiry_ends_in_error_and_then_closed(
    make_client: MakeClient, make_token: MakeToken, topic: str
) -> None:
    client = await make_client(token=make_token(exp=int(time.time()) + 2))
    states = States()
    channel = client.channel(name(topic))
    await channel.subscribe(states)
    await until(lambda: "CLOSED" in states.names, "the end of the channel")
    assert states.names == ["SUBSCRIBED", "CHANNEL_ERROR", "CLOSED"]


async def test_s1_3_a_secret_key_is_the_service_from_end_to_end(
    make_client: MakeClient, secret_key: str, database: Connection, topic: str
) -> None:
    client = await make_client(apikey=secret_key)
    heard: list[Any] = []
    channel = client.channel(name(topic), options(private=True))
    channel.on_broadcast("e", heard.append)
    await channel.subscribe()
    database.execute("select realtime.send('{\"n\": 1}', 'e', %s)", [name(topic)])
    await until(lambda: heard, "the broadcast")
    assert heard[0]["payload"]["n"] == 1
    assert heard[0]["payload"]["id"] == heard[0]["meta"]["id"]


async def test_s4_3_http_send_reaches_the_channel(make_client: MakeClient, topic: str) -> None:
    client, speaker = await make_client(), await make_client()
    heard: list[Any] = []
    channel = client.channel(name(topic))
    channel.on_broadcast("e", heard.append)
    await channel.subscribe()
    await speaker.channel(name(topic)).http_send("e", {"n": 1})
    await until(lambda: heard, "the broadcast")
    assert heard[0]["payload"] == {"n": 1}


async def test_s6_presence_is_kept_in_step(make_client: MakeClient, topic: str) -> None:
    clients = [await make_client() for _ in range(2)]
    channels: list[AsyncRealtimeChannel] = []
    news: list[tuple[str, str]] = []
    for client, key in zip(clients, ("ann", "ben"), strict=True):
        channel = client.channel(name(topic), options(presence={"key": key, "enabled": True}))
        channel.on_presence_join(lambda key, _, joined: news.append(("join", key)))
        channel.on_presence_leave(lambda key, _, left: news.append(("leave", key)))
        await channel.subscribe()
        channels.append(channel)
    ann, ben = channels
    await ann.track({"mood": "glad"})
    await ben.track({"mood": "sad"})
    for channel in channels:
        await until(partial(are_present, channel, "ann", "ben"), "both")
    [theirs] = ann.presence_state()["ben"]
    assert dict(theirs)["mood"] == "sad"
    await ben.untrack()
    await until(partial(are_present, ann, "ann"), "one to leave")
    assert ("leave", "ben") in news
