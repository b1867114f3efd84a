"""Section 1.4 of the facts: how long a socket lives, with stand-ins whose times are short."""

import asyncio
from typing import Any

from websockets.asyncio.client import connect as open_socket

from tests.support.realtime_fixtures import Start


async def test_s1_4_a_silent_socket_is_closed_with_1000(start: Start, peers: Any) -> None:
    talking, silent = await peers(start(idle_timeout_ms="600"), 2)

    async def talk() -> None:
        while silent.close_code is None:
            await talking.settled()
            await asyncio.sleep(0.1)

    await asyncio.wait_for(talk(), 15)
    assert silent.close_code == 1000
    assert await talking.settled() == []


async def test_s1_4_a_socket_that_left_all_its_channels_is_dropped(start: Start, peers: Any, topic: str) -> None:
    left, stays = await peers(start(no_channel_timeout_ms="300"), 2)
    await stays.joined(topic)
    await left.joined(topic)
    await left.ask(topic, "phx_leave", {})
    assert await left.closed() == 1006
    await stays.settled()


async def test_s1_4_a_server_that_stops_closes_with_1012(start: Start, peers: Any, topic: str) -> None:
    stand_in = start(idle_timeout_ms="59999")  # of its own
    (peer,) = await peers(stand_in)
    await peer.joined(topic)
    await asyncio.to_thread(stand_in.service.stop)
    assert await peer.closed() == 1012


async def test_s1_4_a_peer_that_does_not_read_is_dropped(start: Start, peers: Any, topic: str) -> None:
    """2.129.8, lib/realtime_web/channels/user_socket.ex: its process is killed at so much heap."""
    stand_in = start(max_unread_mb="1")
    (sender,) = await peers(stand_in)
    await sender.joined(topic, {"broadcast": {"ack": True}})
    async with open_socket(stand_in.address, max_queue=1, max_size=None, proxy=None) as idle:
        await idle.send(f'["1","1","{topic}","phx_join",{{"config":{{}}}}]')
        await idle.recv()
        # What the sockets' own buffers hold comes on top.
        for _ in range(30):
            reply = await sender.ask(topic, "broadcast", {"event": "e", "payload": "x" * 1_000_000})
            assert reply["status"] == "ok"
        async with asyncio.timeout(15):
            await idle.wait_closed()
        assert idle.close_code == 1006
