"""Section 1.4 of the facts: how long a socket lives, with stand-ins whose times are short."""

import asyncio
from typing import Any

from tests.conformance.conftest import Start


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
