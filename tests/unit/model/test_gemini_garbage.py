"""Whatever stands where Gemini should: any status, any headers, any body, and an end at any byte.

200 examples, the same at each run. More of them, and others, by hand:

    GARBAGE_EXAMPLES=2000 GARBAGE_SEED=1 python -m pytest tests/unit/model/test_gemini_garbage.py -s
"""

import asyncio
import collections
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.genai import types
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.support.gemini import PROMPT
from tests.support.gemini_garbage import answers
from tests.support.raw_answers import Answer, Socket
from tests.support.scripted_model import chunk
from worker.config import WorkerSettings
from worker.errors import ModelError, TimedOut
from worker.model import endings, gemini, spending
from worker.model.gemini import Gemini, GeminiStream
from worker.model.pricing import Prices
from worker.rows import Call, FinishReason
from worker.telemetry import metrics
from worker.text import Cleaner

EXAMPLES = int(os.environ.get("GARBAGE_EXAMPLES", "150"))
SEED = os.environ.get("GARBAGE_SEED")
IDLE_SECONDS, FIRST_TOKEN_SECONDS, LAST_SECONDS = 0.3, 5.0, 0.1
BOUND = 30  # seconds: many times what all the limits of a call come to


GOOD_BODY = (
    b"data: " + json.dumps(chunk("good", "STOP", usageMetadata={"promptTokenCount": 1})).encode() + b"\r\n\r\n"
)
GOOD = Answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(GOOD_BODY) + GOOD_BODY, 10_000, "silence")


class House:
    """The worker's client, one for all examples, and the server that it talks to."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.run = runner.run
        self.hits: collections.Counter[str] = collections.Counter()
        self.server = Socket()
        url = self.run(self.server.start())
        self.gemini = Gemini(
            WorkerSettings(
                _env_file=None,
                supabase_url="http://unused",
                supabase_secret_key="unused",
                gemini_api_key="the-key",
                gemini_base_url=url,
                model_idle_seconds=IDLE_SECONDS,
                model_first_token_seconds=FIRST_TOKEN_SECONDS,
            )
        )

    async def close(self) -> None:
        await self.gemini.close()
        await self.server.stop()

    async def attempt(self, played: Answer) -> tuple[GeminiStream, str, ModelError | None]:
        """One call to the model, as an attempt makes it."""
        text, cleaner, model = "", Cleaner(), f"m{len(self.server.answers)}"
        self.server.answers[model] = played
        error: ModelError | None = None
        async with asyncio.timeout(BOUND), self.gemini.stream(model, PROMPT) as stream:
            try:
                async for piece in stream:
                    text += cleaner.clean(piece)
            except ModelError as raised:
                error = raised
        # None at all where this very process was held up for longer than the limits.
        assert self.server.requests[model] == 1 or isinstance(error, TimedOut), (
            "one request for each row of the ledger"
        )
        return stream, text + cleaner.rest(), error

    async def judge(self, played: Answer) -> None:
        stream, text, error = await self.attempt(played)
        if error is None:
            assert stream.finish_reason in ("stop", "max_tokens")
            assert text
        else:
            assert fit_for_a_log(str(error)), error
        storable({"text": text, **noted(stream)})
        self.hits[stream.finish_reason or f"{type(error).__name__} {error}"] += 1

        async with asyncio.timeout(BOUND):
            await self.server.has_left(played)
            stream, text, error = await self.attempt(GOOD)
            while isinstance(error, TimedOut):
                stream, text, error = await self.attempt(GOOD)
        assert (text, stream.finish_reason, error) == ("good", "stop", None), "the client lives"


PRICES = Prices.load()


def noted(stream: GeminiStream) -> dict[str, Any]:
    """The row of the ledger, as the worker makes it and as its metrics count it."""
    call = Call("chat-1", model_requested="m")
    spending.note(call, stream, PRICES, 100, "good", None)
    metrics.call_ended(call, FinishReason.STOP)
    return call.as_row()


def storable(row: dict[str, Any]) -> None:
    assert "\\u0000" not in json.dumps(row)
    json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    tokens = [row[f"{kind}_tokens"] for kind in ("prompt", "cached", "candidate", "thought")]
    assert all(count is None or 0 <= count for count in tokens)  # noqa: SIM300
    assert sum(count or 0 for count in tokens) < 2**31
    assert (row["cached_tokens"] or 0) <= (row["prompt_tokens"] if row["prompt_tokens"] is not None else 2**31)
    assert row["cost_usd"] is None or 0 <= row["cost_usd"] < 1_000_000


def fit_for_a_log(words: str) -> bool:
    """Ours, or those of Google's that are known; nothing that came over the wire."""
    number, _, word = words.partition(" ")
    if number.isdigit():
        return word in {"", *endings.STATUS_OF_WORD}
    known = {reason.value for reason in (*types.FinishReason, *types.BlockedReason)}
    ours = re.fullmatch(r"[A-Za-z]+(Error|Timeout)|(an? |no )[a-zA-Z ]+", words)
    return words in known or ours is not None


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setattr(gemini, "LAST_SECONDS", LAST_SECONDS)
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
        made = House(runner)
        yield made
        made.run(made.close())
        seeds = SEED or "derandomized"
        print(f"\nSeed: {seeds}. Ends of {sum(made.hits.values())} calls:")
        print("\n".join(f"{count:6} {end}" for end, count in sorted(made.hits.items())))


STATUSES = [*endings.BY_STATUS, 201, 204, 302, 307, 400, 405, 429, 500, 502, 503, 507, 529, 530, 599, 999]
EACH = max(1, EXAMPLES // 2 // len(STATUSES))


def at_random(house: House, status: int, examples: int) -> None:
    chosen = settings(
        derandomize=SEED is None,
        database=None,
        deadline=None,
        max_examples=examples,
        phases=[Phase.generate],  # shrinking would wait for each try as long as for the failure
        suppress_health_check=list(HealthCheck),
    )
    test = chosen(given(played=answers(status))(lambda played: house.run(house.judge(played))))
    (seed(int(SEED)) if SEED else lambda same: same)(test)()


def test_where_an_answer_should_be(house: House) -> None:
    at_random(house, 200, EXAMPLES - len(STATUSES) * EACH)
    assert {"stop", "max_tokens"} <= house.hits.keys()
    assert {"Truncated", "Disconnected", "ContentBlocked", "EmptyReply"} <= {end.split()[0] for end in house.hits}


@pytest.mark.parametrize("status", STATUSES)
def test_where_a_refusal_should_be(house: House, status: int) -> None:
    """Each row of the table is met, and most often it is the one that is told."""
    before = house.hits.copy()
    at_random(house, status, EACH)
    met = house.hits - before
    assert any(re.search(rf"\b{status}\b", end) for end in met), met
