"""An answer with its end is whole, whatever the connection does after it."""

import asyncio
import json
import time
from typing import Any

import pytest

from tests.support.gemini import PROMPT, heard, talking, usage
from tests.support.scripted_model import Exchange, Script, chunk, says
from worker.model import gemini as gemini_module
from worker.rows import Usage

USED = usage(12, 5)
WHOLE = [chunk("All of "), chunk("it.", "STOP", **USED)]


async def junk(exchange: Exchange) -> None:
    await exchange.raw(b"[DONE]\r\n\r\n")


async def bad_event(exchange: Exchange) -> None:
    await exchange.raw(b"data: [DONE]\r\n\r\n")


async def error_event(exchange: Exchange) -> None:
    await exchange.event({"error": {"code": 503, "status": "UNAVAILABLE"}})


async def bad_length(exchange: Exchange) -> None:
    exchange._writer.write(b"zz\r\n")
    await exchange._writer.drain()
    exchange._over = True


async def half(exchange: Exchange) -> None:
    await exchange.raw(b'data: {"cand')


async def end_of_connection(exchange: Exchange) -> None:
    exchange._over = True
    exchange._writer.close()


async def silence(exchange: Exchange) -> None:
    await exchange.gone.wait()


async def reset_once_read(exchange: Exchange) -> None:
    # Later than what it would overtake; a client that is content has left by then.
    try:
        await asyncio.wait_for(exchange.gone.wait(), 0.3)
    except TimeoutError:
        await exchange.reset()


AFTER = [junk, bad_event, error_event, bad_length, half, end_of_connection, silence, reset_once_read]


@pytest.mark.parametrize("reason", ["STOP", "MAX_TOKENS"])
@pytest.mark.parametrize("after", AFTER)
async def test_an_answer_with_its_end_is_whole_whatever_the_connection_does_after(
    after: Script, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini_module, "LAST_SECONDS", 0.5)

    async def script(exchange: Exchange) -> None:
        await says(chunk("All of "), chunk("it.", reason, **USED))(exchange)
        await after(exchange)

    pieces, stream, error = await heard(script)

    assert (pieces, stream.finish_reason, error) == (["All of ", "it."], reason.lower(), None)
    assert stream.usage == Usage(prompt=12, cached=0, candidates=5, thoughts=0)


async def test_a_length_that_is_too_short_cuts_no_answer() -> None:
    """The blank line after the last event is what it leaves out."""

    async def script(exchange: Exchange) -> None:
        content = b"".join(b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in WHOLE)
        await exchange.answer(200, content, {"Content-Length": str(len(content) - 2)})
        exchange._writer.close()

    pieces, stream, error = await heard(script)
    assert (pieces, stream.finish_reason, error) == (["All of ", "it."], "stop", None)


async def test_a_length_that_is_too_long_neither() -> None:
    async def script(exchange: Exchange) -> None:
        content = b"".join(b"data: " + json.dumps(event).encode() + b"\n" for event in WHOLE[1:])
        await exchange.answer(200, content, {"Content-Length": "5000"})
        exchange._writer.close()

    pieces, stream, error = await heard(script)
    assert (pieces, stream.finish_reason, error) == (["it."], "stop", None)


async def test_the_silence_after_the_end_is_no_time_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemini_module, "LAST_SECONDS", 1.0)

    async def script(exchange: Exchange) -> None:
        await says(*WHOLE)(exchange)
        await exchange.gone.wait()

    async with talking(script) as (_, gemini):
        begun = time.monotonic()
        async with gemini.stream("m", PROMPT) as stream:
            assert [piece async for piece in stream] == ["All of ", "it."]
        taken_ms = (time.monotonic() - begun) * 1000

    assert stream.latency_ms <= taken_ms - 900


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ([{}], None),
        ([usage(10, 5), {"usageMetadata": {"totalTokenCount": 15}}], Usage(10, 0, 5, 0)),
        ([usage(10, 5), usage(10)], Usage(10, 0, 5, 0)),
        ([{"usageMetadata": {"totalTokenCount": 15}}], None),
        ([usage(10)], Usage(10, 0, None, None)),
    ],
)
async def test_figures_told_in_part_are_kept_or_unknown_and_never_nothing(
    told: list[dict[str, Any]], known: Usage | None
) -> None:
    _, stream, error = await heard(says(*({**chunk("x"), **each} for each in told), chunk(finish="STOP")))
    assert (error, stream.usage) == (None, known)


async def test_what_follows_the_end_soon_is_heard() -> None:
    _, stream, error = await heard(says(chunk("x", "STOP"), {**chunk(), **usage(9, 1)}))
    assert (error, stream.usage) == (None, Usage(prompt=9, cached=0, candidates=1, thoughts=0))
