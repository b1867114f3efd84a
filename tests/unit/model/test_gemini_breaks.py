"""A stream that breaks off: reset, garbage, an error within it, and nobody there."""

import asyncio

import pytest

from tests.support.gemini import PROMPT, heard, talking
from tests.support.scripted_model import Exchange, chunk, says
from worker.errors import Disconnected, ModelOverloaded, Truncated

STOP = chunk(finish="STOP")


async def test_a_reset_is_truncated_and_what_came_is_shown() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.event(chunk("half"))
        # The first piece is on its way to the reader, or the reset would overtake it.
        await shown.wait()
        await exchange.reset()

    shown = asyncio.Event()
    async with talking(script) as (server, gemini):
        async with gemini.stream("m", PROMPT) as stream:
            pieces = aiter(stream)
            assert await anext(pieces) == "half"
            shown.set()
            with pytest.raises(Disconnected):
                await anext(pieces)
        assert len(server.requests) == 1


async def test_a_reset_before_the_answer_is_truncated() -> None:
    _, _, error = await heard(lambda exchange: exchange.reset())

    assert isinstance(error, Disconnected)


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {not json sentinel\r\n\r\n",
        b": ping\r\n\r\n",
        b"event: x\r\n\r\n",
        b'data: {"cand',
        b"<html>sentinel</html>",
    ],
)
async def test_garbage_is_truncated_and_not_repeated(garbage: bytes) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.event(chunk("half"))
        await exchange.raw(garbage)

    _, _, error = await heard(script)

    assert type(error) is Truncated, "no sign of a connection that breaks"
    assert "sentinel" not in str(error)


async def test_an_error_within_the_stream() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.event(chunk("half"))
        await exchange.event({"error": {"code": 503, "status": "UNAVAILABLE", "message": "sentinel"}})

    pieces, _, error = await heard(script)

    assert pieces == ["half"]
    assert isinstance(error, ModelOverloaded)


async def test_nobody_there_is_overloaded() -> None:
    async with talking(says(STOP)) as (server, gemini):
        await server.__aexit__()
        async with gemini.stream("m", PROMPT) as stream:
            with pytest.raises(ModelOverloaded):
                await anext(aiter(stream))
