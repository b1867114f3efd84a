"""The door to the model: another provider than Gemini fits, with its own protocol and its own library."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict
from typing import Any

import httpx
import pytest

from tests.support.answering import FakeBroadcaster, FakeReplies, a_lease, answerer_of, claimed
from tests.support.scripted_model import Exchange, Script, ScriptedModel
from worker.errors import Disconnected, ModelError, ModelOverloaded, Truncated
from worker.model.door import Provider
from worker.prompt.context import Prompt
from worker.rows import FinishReason, Usage

BOUND = 5  # seconds; what takes as long has failed


class LineStream:
    """JSON, line by line: {"say"}, and at last {"end", "took", "gave"}."""

    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    model_version: str | None = None
    first_token_ms: int | None = None
    usage_is_final = sign_of_life = False

    def __init__(self, http: httpx.AsyncClient, asked: dict[str, Any]) -> None:
        self._begun, self.text = time.monotonic(), self._read(http, asked)

    def __aiter__(self) -> AsyncIterator[str]:
        return self.text

    @property
    def latency_ms(self) -> int:
        return round((time.monotonic() - self._begun) * 1000)

    async def _read(self, http: httpx.AsyncClient, asked: dict[str, Any]) -> AsyncGenerator[str, None]:
        try:
            async with http.stream("POST", "/lines", json=asked) as response:
                if response.status_code != 200:
                    raise ModelOverloaded(str(response.status_code)).unbilled()
                async for line in response.aiter_lines():
                    told, self.sign_of_life, self.model_version = json.loads(line), True, asked["name"]
                    if "end" in told:
                        self.usage, self.usage_is_final = Usage(told["took"], 0, told["gave"], 0), True
                        self.finish_reason = FinishReason(told["end"])
                    else:
                        self.first_token_ms = self.latency_ms if self.first_token_ms is None else self.first_token_ms
                        yield told["say"]
        except httpx.HTTPError as error:
            raise Disconnected(type(error).__name__) from None
        if self.finish_reason is None:
            raise Truncated("no end")


class LineProvider:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    @contextlib.asynccontextmanager
    async def stream(self, model: str, prompt: Prompt) -> AsyncIterator[LineStream]:
        told = {"name": model, "about": prompt.system_instruction, "said": [asdict(turn) for turn in prompt.turns]}
        stream = LineStream(self._http, told)
        async with contextlib.aclosing(stream.text):
            yield stream


def lines(*told: dict[str, Any]) -> Script:
    async def script(exchange: Exchange) -> None:
        for each in told:
            await exchange.raw(json.dumps(each).encode() + b"\n")

    return script


END = {"end": "max_tokens", "took": 7, "gave": 2}


@contextlib.asynccontextmanager
async def answering(*scripts: Script) -> AsyncIterator[tuple[asyncio.Task[None], ScriptedModel, Any, Any]]:
    """A claim that is being answered by the other provider: the task, its server, and what became of the claim."""
    async with ScriptedModel(*scripts) as server, httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        provider: Provider = LineProvider(http)
        replies, broadcaster, claim = FakeReplies(), FakeBroadcaster(), claimed()
        task = asyncio.create_task(answerer_of(replies, provider, broadcaster).answer(claim, a_lease()))
        try:
            yield task, server, replies, broadcaster
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_its_answer_is_shown_stored_and_accounted_for() -> None:
    async with answering(lines({"say": "Hel"}, {"say": "lo"}, END)) as (task, server, replies, broadcaster):
        await asyncio.wait_for(task, BOUND)

    assert broadcaster.sent == [(1, 0, "Hel"), (1, 3, "lo"), "flush"]
    assert replies.settled == [("complete", "Hello", "max_tokens")]
    [call] = replies.calls
    assert (call.model_requested, call.model_version) == ("first", "first")
    assert (call.prompt_tokens, call.candidate_tokens, call.tokens_debited) == (7, 2, 9)
    [request] = server.requests
    assert request.body["said"][-1] == {"role": "user", "content": "Why?"}
    assert request.body["about"]


async def refuses(exchange: Exchange) -> None:
    await exchange.answer(503, {})


async def breaks(exchange: Exchange) -> None:
    await lines({"say": "Hel"})(exchange)
    await exchange.reset()


@pytest.mark.parametrize(
    ("script", "error"), [(refuses, ModelOverloaded), (breaks, Disconnected), (lines({"say": "Hel"}), Truncated)]
)
async def test_its_failures_lead_to_the_next_model(script: Script, error: type[ModelError]) -> None:
    async with answering(script, lines({"say": "Hello"}, END)) as (task, server, replies, _):
        await asyncio.wait_for(task, BOUND)

    assert [request.body["name"] for request in server.requests] == ["first", "second"]
    assert [(settled[0], settled[2]) for settled in replies.settled] == [
        ("next", error.error_code),
        ("complete", "max_tokens"),
    ]


async def test_its_call_ends_with_the_answer_that_is_given_up() -> None:
    async def hangs(exchange: Exchange) -> None:
        await lines({"say": "Hel"})(exchange)
        await exchange.gone.wait()

    async with answering(hangs) as (task, server, replies, broadcaster):
        await asyncio.wait_for(broadcaster.something.wait(), BOUND)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        await asyncio.wait_for(server.exchanges[0].gone.wait(), BOUND)
    assert replies.settled == []
