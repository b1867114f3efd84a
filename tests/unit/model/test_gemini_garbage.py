"""Whatever stands where Gemini should: any status, any headers, any body, and an end at any byte.

200 examples, the same at each run. More of them, and others, by hand:

    GARBAGE_EXAMPLES=2000 GARBAGE_SEED=1 python -m pytest tests/unit/model/test_gemini_garbage.py -s
"""

import asyncio
import collections
import contextlib
import gzip
import json
import os
import re
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.genai import types
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.support.gemini import PROMPT
from tests.support.scripted_model import chunk
from worker.config import WorkerSettings
from worker.errors import ModelError, TimedOut
from worker.model import endings, gemini, spending
from worker.model.gemini import Gemini, GeminiStream
from worker.model.pricing import Prices
from worker.rows import Call
from worker.telemetry import metrics
from worker.text import Cleaner

EXAMPLES = int(os.environ.get("GARBAGE_EXAMPLES", "200"))
SEED = os.environ.get("GARBAGE_SEED")
IDLE_SECONDS, FIRST_TOKEN_SECONDS, LAST_SECONDS = 0.3, 5.0, 0.1
BOUND = 30  # seconds: many times what all the limits of a call come to
NO_LINGER = struct.pack("ii", 1, 0)


@dataclass
class Answer:
    """What goes out, byte for byte, in pieces of `size`, and what becomes of the connection then."""

    content: bytes
    size: int
    manner: str
    """close, reset, or silence, until the client leaves or asks for something else."""


class Socket:
    """A server of one answer for each model, whose name is that of a call."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: collections.Counter[str] = collections.Counter()
        self._left = asyncio.Event()
        """A connection has ended since the last answer began."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def has_left(self, played: Answer) -> None:
        """A connection that ends with this answer has ended: nobody may write into it any more."""
        if played.manner != "silence" and self.requests[f"m{len(self.answers) - 1}"]:
            await self._left.wait()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = re.search(rb"(?i)content-length: (\d+)", head)
                    await reader.readexactly(int(length[1]) if length else 0)
                    model = re.search(rb"/models/(\w+):", head)[1].decode()
                    self.requests[model] += 1
                    self._left.clear()
                    if not await self._play(self.answers[model], writer):
                        return
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                self._left.set()

    async def _play(self, played: Answer, writer: asyncio.StreamWriter) -> bool:
        for at in range(0, len(played.content), played.size):
            writer.write(played.content[at : at + played.size])
            await writer.drain()
            await asyncio.sleep(0)
        if played.manner == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            writer.transport.abort()
        return played.manner == "silence"


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
    metrics.call_ended(call, "stop")
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


# Values of any type, and of those that are nearly right
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-5, 2**32) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
words = st.text(st.characters() | st.sampled_from("\x00\ud83d\ude00 \n\u200b\u2028"), max_size=30)
figures = st.integers(-5, 2**32) | st.integers(0, 5000) | values


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.sampled_from([choice for times, choice in choices for _ in range(times)]).flatmap(lambda choice: choice)


reasons = st.sampled_from([*(reason.value for reason in types.FinishReason), "STOP", "MAX_TOKENS", "BRAND_NEW"])
parts = some(text=words, thought=st.booleans()) | values
contents = st.fixed_dictionaries({"parts": st.lists(parts, max_size=3) | values}) | values
candidates = some(
    content=contents, finishReason=reasons | values, index=st.integers(0, 1) | values, safetyRatings=values
)
errors = some(
    code=st.sampled_from([400, 429, 500, 503, 999]) | values,
    status=st.sampled_from(sorted(endings.STATUS_OF_WORD)) | values,
    message=st.sampled_from(["token exceeds", "API key not valid", "limit: 0", "payload size exceeds"]) | values,
    details=values | st.lists(some(**{"@type": st.just("x.RetryInfo"), "retryDelay": st.just("7s") | values})),
)
events = some(
    candidates=st.lists(candidates, max_size=2) | values,
    usageMetadata=some(
        promptTokenCount=figures,
        cachedContentTokenCount=figures,
        candidatesTokenCount=figures,
        thoughtsTokenCount=figures,
        promptTokensDetails=values,
    )
    | values,
    modelVersion=words | values,
    promptFeedback=some(blockReason=st.sampled_from(["SAFETY", "BRAND_NEW"]) | values) | values,
)
pieces = st.builds(chunk, words | st.just("a word"))
lasts = st.builds(chunk, words | st.just("a word"), st.sampled_from(["STOP", "STOP", "MAX_TOKENS"]) | reasons)


def line(event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode()


ends = st.sampled_from([b"\r\n", b"\n", b"\r"])
odd_lines = [b": ping", b"event: x", b"id", b"data: [DONE]", b"data", b"{", b"\xef\xbb\xbf", b"\xff", b""]
lines = weighted(
    (8, pieces.map(line)),
    (4, lasts.map(line)),
    (3, events.map(line)),
    (1, errors.map(lambda error: line({"error": error}))),
    (2, st.sampled_from(odd_lines)),
    (1, st.binary(max_size=20)),
)
streams = st.builds(
    lambda found, last, end, gap: b"".join(each + end + gap * end for each in [*found, last]),
    st.lists(lines, max_size=4),
    weighted((3, lasts.map(line)), (1, lines)),
    ends,
    weighted((9, st.just(1)), (1, st.just(0))),
)
refusals = (errors.map(lambda error: {"error": error}) | values | errors.map(lambda error: [{"error": error}])).map(
    lambda body: json.dumps(body).encode()
)
streamed = weighted((8, streams), (1, refusals), (1, st.binary(max_size=200)))
refused = weighted((2, streams), (6, refusals), (2, st.binary(max_size=200)))
odd_headers = st.sampled_from(
    [
        b"Content-Type: text/event-stream",
        b"Content-Type: application/json; charset=utf-16",
        b"Content-Type: x; charset=none",
        b"Location: http://127.0.0.1:1/",
        b"Location: //[",
        b"Set-Cookie: a=b; Path=/",
        b"Set-Cookie: \xff",
        b"Retry-After: 7",
        b"Retry-After: \xff",
        b"Connection: close",
        b"X: \xe9",
        b"Content-Encoding: brand-new",
        b"Transfer-Encoding: brand-new",
        b"Content-Length: -1",
        b"no header at all",
        b"X: " + b"x" * 5000,
    ]
)
encodings: dict[bytes, Callable[[bytes], bytes]] = {
    b"": bytes,
    b"Content-Encoding: gzip\r\n": gzip.compress,
    b"Content-Encoding: deflate\r\n": zlib.compress,
    b"content-encoding: gzip\r\n": bytes,  # it is not
}
FRAMES = ["chunked", "length", "too short", "too long", "none"]


def framed(head: bytes, body: bytes, frame: str, encoding: bytes) -> bytes:
    body = encodings[encoding](body)
    head += encoding
    if frame == "chunked":
        cut = len(body) // 2
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:cut], body[cut:]) if piece)
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"
    if frame == "none":
        return head + b"\r\n" + body
    length = len(body) + {"length": 0, "too short": -2, "too long": 100}[frame]
    return head + b"Content-Length: %d\r\n\r\n" % max(0, length) + body


heads = st.binary(max_size=30) | st.sampled_from([b"HTTP/2 200\r\n", b"HTTP/1.0 200 OK\r\n", b""])


@st.composite
def answers(draw: st.DrawFn, status: int) -> Answer:
    head = draw(weighted((14, st.just(b"HTTP/1.1 %d Some Words\r\n" % status)), (1, heads)))
    head += b"".join(header + b"\r\n" for header in draw(weighted((3, st.just([])), (1, st.lists(odd_headers)))))
    encoding = draw(st.sampled_from([*[b""] * 8, *encodings]))
    frame = draw(st.sampled_from([*["chunked", "length"] * 3, *FRAMES]))
    content = framed(head, draw(streamed if status == 200 else refused), frame, encoding)
    cut = draw(weighted((3, st.none()), (1, st.integers(0, len(content)))))
    # What waits for a limit takes as long as that.
    manner = draw(st.sampled_from([*["close"] * 8, "reset", "silence"]))
    return Answer(content[:cut], draw(st.sampled_from([100_000, 100_000, 50, 7])), manner)


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
