"""How long a model may be silent."""

import asyncio
from typing import Any

import pytest

from tests.support.gemini import BOUND, heard, usage
from tests.support.scripted_model import Exchange, chunk
from worker.errors import TimedOut


@pytest.mark.parametrize("first", [[], [chunk("half")]])
async def test_silence_beyond_the_limit_is_timed_out(first: list[dict[str, Any]]) -> None:
    async def script(exchange: Exchange) -> None:
        for event in first:
            await exchange.event(event)
        await exchange.gone.wait()

    pieces, _, error = await asyncio.wait_for(heard(script, idle_seconds=0.2), BOUND)

    assert pieces == ["half"] * len(first)
    assert isinstance(error, TimedOut)


@pytest.mark.parametrize("first", [[], [chunk("")], [{**chunk(), **usage(10)}]], ids=["nothing", "empty", "usage"])
async def test_without_a_word_for_too_long_it_is_timed_out(first: list[dict[str, Any]]) -> None:
    """However busy the connection is."""

    async def script(exchange: Exchange) -> None:
        while not exchange.gone.is_set():
            for event in first:
                await exchange.event(event)
            await asyncio.sleep(0.02)

    pieces, stream, error = await asyncio.wait_for(heard(script, first_token_seconds=0.2), BOUND)

    assert pieces == []
    assert isinstance(error, TimedOut)
    assert not error.is_of_the_provider
    assert stream.first_token_ms is None


async def test_the_first_word_ends_that_limit() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.event(chunk("slow"))
        await asyncio.sleep(0.6)
        await exchange.event(chunk(" but steady", "STOP"))

    pieces, stream, error = await heard(script, first_token_seconds=0.5)

    assert (pieces, stream.finish_reason, error) == (["slow", " but steady"], "stop", None)


THOUGHT = chunk("")
THOUGHT["candidates"][0]["content"]["parts"] = [{"text": "hmm", "thought": True}]


@pytest.mark.parametrize(
    "thought", [THOUGHT, {**chunk(""), **usage(10, thoughtsTokenCount=7)}], ids=["said", "counted"]
)
async def test_so_does_a_thought(thought: dict[str, Any]) -> None:
    """Said, or only counted: a model that thinks is at work."""

    async def script(exchange: Exchange) -> None:
        await exchange.event(thought)
        await asyncio.sleep(1.2)
        await exchange.event(chunk("So.", "STOP"))

    pieces, stream, error = await heard(script, first_token_seconds=1.0)

    assert (pieces, stream.finish_reason, error) == (["So."], "stop", None)


async def test_after_a_thought_silence_is_the_limit() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.event(THOUGHT)
        await exchange.gone.wait()

    pieces, stream, error = await asyncio.wait_for(heard(script, idle_seconds=0.2), BOUND)

    assert (pieces, stream.first_token_ms) == ([], None)
    assert isinstance(error, TimedOut)
