"""The real google-genai client against a scripted server: one call, its answer and its figures."""

import asyncio
from typing import Any

import pytest

from tests.support.gemini import PROMPT, heard, talking, usage
from tests.support.scripted_model import chunk, says
from worker.errors import EmptyReply, Truncated
from worker.rows import Usage

STOP = chunk(finish="STOP")


async def test_a_whole_answer() -> None:
    pieces, stream, error = await heard(says(chunk("Hel"), chunk("lo 🧑‍🍳\u2028"), STOP))

    assert error is None
    assert pieces == ["Hel", "lo 🧑‍🍳\u2028"]
    assert (stream.finish_reason, stream.model_version) == ("stop", "gemini-2.5-flash")
    assert stream.first_token_ms is not None
    assert 0 <= stream.first_token_ms <= stream.latency_ms


async def test_the_request() -> None:
    async with talking(says(chunk("x", "STOP"))) as (server, gemini):
        async with gemini.stream("gemini-2.5-flash", PROMPT) as stream:
            assert [piece async for piece in stream] == ["x"]
        [request] = server.requests

    assert request.path.endswith("/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    assert request.headers["x-goog-api-key"] == "the-key"
    # The whole call's limit, not that of silence: the server may end the stream at it.
    assert request.headers["x-server-timeout"] == "91"
    assert request.body.keys() == {"contents", "systemInstruction", "generationConfig"}
    assert request.body["contents"] == [
        {"role": "user", "parts": [{"text": "Q"}]},
        {"role": "model", "parts": [{"text": "A"}]},
        {"role": "user", "parts": [{"text": "Why?"}]},
    ]
    assert request.body["systemInstruction"]["parts"] == [{"text": "Persona"}]
    assert request.body["generationConfig"] == {"maxOutputTokens": 77}


async def test_the_last_usage_is_the_usage() -> None:
    first = chunk("a", **usage(10, 1))
    last = chunk("b", "STOP", **usage(12, 5, cachedContentTokenCount=4, thoughtsTokenCount=3))

    _, stream, _ = await heard(says(first, last))

    assert stream.usage == Usage(prompt=12, cached=4, candidates=5, thoughts=3)


async def test_usage_is_kept_when_later_chunks_or_the_end_have_none() -> None:
    _, stream, error = await heard(says(chunk("a", **usage(10, 1)), chunk("b")))

    assert isinstance(error, Truncated)
    assert stream.usage == Usage(prompt=10, cached=0, candidates=1, thoughts=0)


async def test_thoughts_are_not_shown() -> None:
    thinking = chunk("x")
    thinking["candidates"][0]["content"]["parts"] = [{"text": "hmm", "thought": True}]
    mixed = chunk("x", "STOP")
    mixed["candidates"][0]["content"]["parts"] = [{"text": "hmm", "thought": True}, {"text": "So."}]

    pieces, stream, error = await heard(says(thinking, mixed))

    assert (pieces, error, stream.finish_reason) == (["So."], None, "stop")


async def test_only_thoughts_are_no_answer() -> None:
    thinking = chunk("x", "STOP")
    thinking["candidates"][0]["content"]["parts"] = [{"text": "hmm", "thought": True}]

    pieces, stream, error = await heard(says(thinking))

    assert pieces == []
    assert isinstance(error, EmptyReply)
    assert stream.first_token_ms is None


async def test_an_answer_of_the_greatest_length_is_an_answer() -> None:
    pieces, stream, error = await heard(says(chunk("long"), chunk(finish="MAX_TOKENS")))

    assert (pieces, stream.finish_reason, error) == (["long"], "max_tokens", None)


@pytest.mark.parametrize("reason", ["STOP", "MAX_TOKENS"])
async def test_an_end_without_a_word_is_empty(reason: str) -> None:
    spent = chunk(finish=reason, **usage(10, thoughtsTokenCount=77))

    pieces, stream, error = await heard(says(spent))

    assert pieces == []
    assert isinstance(error, EmptyReply)
    assert stream.usage == Usage(prompt=10, cached=0, candidates=0, thoughts=77)


async def test_one_client_for_many_streams() -> None:
    async with talking(says(chunk("x", "STOP"))) as (server, gemini):

        async def ask() -> list[str]:
            async with gemini.stream("m", PROMPT) as stream:
                return [piece async for piece in stream]

        assert await asyncio.gather(*(ask() for _ in range(20))) == [["x"]] * 20
        assert len(server.requests) == 20


@pytest.mark.parametrize(
    ("events", "is_final"),
    [
        ([chunk("a", **usage(10, 1)), chunk("b", "STOP", **usage(10, 5))], True),
        ([chunk("a", "STOP"), {**chunk(), **usage(10, 5)}], True),
        ([{"promptFeedback": {"blockReason": "SAFETY"}, **usage(10)}], True),
        ([chunk(finish="MAX_TOKENS", **usage(10, thoughtsTokenCount=77))], True),
        ([chunk("a", **usage(10, 1)), chunk("b", "STOP")], False),
        ([chunk("a", **usage(10, 1))], False),
        ([chunk("a", "STOP")], False),
    ],
)
async def test_figures_are_final_when_they_come_with_the_end_or_after_it(
    events: list[dict[str, Any]], is_final: bool
) -> None:
    _, stream, _ = await heard(says(*events))

    assert stream.usage_is_final is is_final
