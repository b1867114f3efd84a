"""Leaving a stream closes its connection at once."""

import asyncio

import pytest

from tests.support.gemini import BOUND, PROMPT, talking
from tests.support.scripted_model import Exchange, Script, chunk
from worker.model.gemini import Gemini


def endless(gone: asyncio.Event) -> Script:
    """Speaks for as long as anybody holds the connection."""

    async def script(exchange: Exchange) -> None:
        await exchange.event(chunk("on and on"))
        await exchange.gone.wait()
        gone.set()

    return script


@pytest.mark.parametrize("leaving", ["by the end of the block", "by an error", "cancelled elsewhere"])
async def test_leaving_closes_the_connection_at_once(leaving: str) -> None:
    gone = asyncio.Event()
    elsewhere = asyncio.Event()

    async def read(gemini: Gemini) -> None:
        async with gemini.stream("m", PROMPT) as stream:
            async for _ in stream:
                elsewhere.set()
                if leaving == "cancelled elsewhere":
                    await asyncio.Event().wait()
                if leaving == "by an error":
                    raise LookupError
                return

    async with talking(endless(gone)) as (server, gemini):
        reading = asyncio.create_task(read(gemini))
        await asyncio.wait_for(elsewhere.wait(), BOUND)
        if leaving == "cancelled elsewhere":
            reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

        await asyncio.wait_for(gone.wait(), 1)
        assert len(server.requests) == 1


async def test_leaving_before_anything_came_closes_it_too() -> None:
    gone, asked = asyncio.Event(), asyncio.Event()

    async def script(exchange: Exchange) -> None:
        asked.set()
        await exchange.gone.wait()
        gone.set()

    async with talking(script) as (_, gemini):
        async with gemini.stream("m", PROMPT):
            await asyncio.wait_for(asked.wait(), BOUND)

        await asyncio.wait_for(gone.wait(), 1)
