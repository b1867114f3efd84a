"""The offline model on the wire: the real google-genai client talks to it, only its address differs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from tests.support.offline_model import PACE, SYSTEM, serving
from tests.support.waiting import until
from worker.local.gemini.call_log import CallLog
from worker.local.gemini.server import create_app
from worker.local.gemini.tokens import count_tokens, pieces, truncate

SLOW_PACE = 0.02
NO_LOG = CallLog(None)
KEY = {"x-goog-api-key": "k"}
BODY = {"contents": [{"parts": [{"text": "How many likes?"}]}]}


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with serving(None) as url:
        yield url


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


@pytest.fixture
async def logged_address(log_path: Path) -> AsyncIterator[str]:
    """A served model whose calls are logged at `log_path`."""
    async with serving(log_path, pace=SLOW_PACE) as url:
        yield url


@asynccontextmanager
async def _client(address: str, version: str = "v1") -> AsyncIterator[genai.Client]:
    options = types.HttpOptions(base_url=address, api_version=version, timeout=10_000)
    client = genai.Client(api_key="k", http_options=options)
    yield client
    await client.aio.aclose()
    client.close()


@pytest.fixture
async def client(address: str) -> AsyncIterator[genai.Client]:
    async with _client(address) as made:
        yield made


@pytest.fixture
async def logged_client(logged_address: str) -> AsyncIterator[genai.Client]:
    async with _client(logged_address) as made:
        yield made


def _config(**settings: Any) -> types.GenerateContentConfig:
    quiet = types.AutomaticFunctionCallingConfig(disable=True)
    return types.GenerateContentConfig(system_instruction=SYSTEM, automatic_function_calling=quiet, **settings)


async def _stream(client: genai.Client, question: str, **settings: Any) -> list[types.GenerateContentResponse]:
    return [
        part
        async for part in await client.aio.models.generate_content_stream(
            model="gemini-3.8-flash", contents=question, config=_config(**settings)
        )
    ]


def _text(parts: list[types.GenerateContentResponse]) -> str:
    return "".join(part.text or "" for part in parts)


def _finish_reason(part: types.GenerateContentResponse) -> types.FinishReason | None:
    assert part.candidates
    return part.candidates[0].finish_reason


def _usage(part: types.GenerateContentResponse) -> types.GenerateContentResponseUsageMetadata:
    assert part.usage_metadata is not None
    return part.usage_metadata


def _calls(log_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_path.read_text().splitlines()]


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_streams_small_pieces_with_running_usage(address: str, version: str) -> None:
    async with _client(address, version) as client:
        parts = await _stream(client, "How many likes?", temperature=0.5)

    assert "918,273 likes" in _text(parts)
    assert len(parts) > 3
    assert [_finish_reason(part) for part in parts] == [None] * (len(parts) - 1) + ["STOP"]
    usages = [_usage(part) for part in parts]
    counts = [usage.candidates_token_count or 0 for usage in usages]
    assert counts == sorted(counts)
    prompt = usages[-1].prompt_token_count
    assert prompt is not None
    assert prompt >= len(SYSTEM) // 4
    assert usages[-1].total_token_count == prompt + counts[-1]
    assert {part.model_version for part in parts} == {"offline-extractive"}
    assert len({part.response_id for part in parts}) == 1


async def test_unary_says_what_a_stream_says(client: genai.Client) -> None:
    whole = await client.aio.models.generate_content(
        model="gemini-3.8-flash", contents="How many likes?", config=_config()
    )

    assert whole.text == _text(await _stream(client, "How many likes?"))


async def test_keeps_to_max_output_tokens(client: genai.Client) -> None:
    parts = await _stream(client, "How many likes?", max_output_tokens=5)

    assert _finish_reason(parts[-1]) == "MAX_TOKENS"
    assert _usage(parts[-1]).candidates_token_count == 5


def test_pieces_are_one_or_two_words_and_join_to_the_text() -> None:
    text = "From the **analysis**:\n\n- one\n-  two three  "

    assert "".join(pieces(text)) == text
    assert all(1 <= len(piece.split()) <= 2 for piece in pieces(text))


def test_truncation_keeps_to_the_number_of_tokens() -> None:
    assert count_tokens(truncate("x" * 100, 7)) == 7
    assert count_tokens("") == 0


async def test_counts_tokens_and_lists_models(client: genai.Client) -> None:
    models = client.aio.models

    assert (await models.count_tokens(model="gemini-3.8-flash", contents="x" * 40)).total_tokens == 10
    assert (await models.get(model="gemini-3.8-flash")).name == "models/gemini-3.8-flash"
    assert "models/gemini-3.8-flash" in [model.name async for model in await models.list()]


async def test_history_is_understood(client: genai.Client) -> None:
    turns = [
        {"role": "user", "parts": [{"text": "What is the caption?"}]},
        {"role": "model", "parts": [{"text": "zorple"}]},
        {"role": "user", "parts": [{"text": "and likes?"}]},
    ]

    reply = await client.aio.models.generate_content(model="gemini-3.8-flash", contents=turns, config=_config())

    assert reply.text == "**918,273 likes**, according to the post's metrics."


async def test_snake_case_is_accepted() -> None:
    body = BODY | {
        "system_instruction": {"parts": [{"text": SYSTEM}]},
        "generation_config": {"max_output_tokens": 3},
    }

    answer = (await _post("v1/models/m:generateContent", json=body)).json()

    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert answer["candidates"][0]["content"]["parts"][0]["text"].startswith("**918,273")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"contents": "hello"}',
        b'{"contents": []}',
        b'{"contents": [{"parts": []}]}',
        b'{"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}',
        b'{"contents": [{"parts": [{"text": 1}]}]}',
        b'{"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": 0}}',
        b'{"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": NaN}}',
        b'{"contents": [{"parts": [{"text": "x"}]}], "systemInstruction": "x"}',
    ],
)
@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent?alt=sse", "countTokens"])
async def test_malformed_bodies_are_refused_in_googles_shape(method: str, body: bytes) -> None:
    answer = await _post(f"v1/models/m:{method}", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


async def test_a_key_is_required() -> None:
    path = "v1/models/m:generateContent"

    missing = await _post(path, headers={}, json=BODY)
    empty = await _post(path, headers={"x-goog-api-key": ""}, json=BODY)

    assert (missing.status_code, missing.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert (empty.status_code, empty.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("path", ["", "v2/models/m:generateContent", "v1/models/m:sing", "v1/models/m", "v1/x"])
async def test_unknown_paths_are_not_found(path: str) -> None:
    answer = await _post(path, json=BODY)

    assert answer.status_code == 404
    assert answer.json()["error"]["status"] == "NOT_FOUND"


async def test_the_client_sees_a_refusal_as_its_own_error(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        await _stream(client, "x", max_output_tokens=-1)

    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(("seconds", "status"), [("5", 400), ("9", 400), ("10", 200), ("120", 200), ("soon", 200)])
async def test_a_deadline_below_ten_seconds_is_refused(address: str, seconds: str, status: int) -> None:
    """As Google's own server does it, for every call."""
    path = f"{address}/v1/models/gemini-3.8-flash:generateContent"
    async with httpx.AsyncClient(headers=KEY) as client:
        answer = await client.post(path, json=BODY, headers={"X-Server-Timeout": seconds})

    assert answer.status_code == status
    if status == 400:
        assert "Minimum allowed deadline is 10s" in answer.json()["error"]["message"]


async def test_healthz(address: str) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{address}/healthz")).json() == {"status": "ok"}


async def test_calls_are_logged_without_the_key(logged_client: genai.Client, log_path: Path) -> None:
    parts = await _stream(logged_client, "How many likes?")
    await _post("v1/models/m:countTokens", log=CallLog(log_path), headers={"x-goog-api-key": "s3cret"}, json={})

    answered, refused = _calls(log_path)
    assert answered["body"]["systemInstruction"]["parts"] == [{"text": SYSTEM}]
    assert answered["method"] == "streamGenerateContent"
    assert answered["model"] == "gemini-3.8-flash"
    assert answered["pieces"] == len(parts)
    assert (answered["status"], answered["finish_reason"], answered["outcome"]) == (200, "STOP", "completed")
    assert (refused["status"], refused["outcome"]) == (400, "refused")
    assert "s3cret" not in str(_calls(log_path))


async def test_stops_when_the_client_leaves(logged_client: genai.Client, log_path: Path) -> None:
    started = asyncio.Event()

    async def read() -> None:
        async for _ in await logged_client.aio.models.generate_content_stream(
            model="gemini-3.8-flash", contents="How many likes?", config=_config()
        ):
            started.set()

    reading = asyncio.create_task(read())
    await started.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    await until(log_path.exists, "the call's line in the log")
    (call,) = _calls(log_path)
    assert (call["outcome"], call["finish_reason"]) == ("aborted", None)


async def _post(path: str, *, log: CallLog = NO_LOG, **request: Any) -> httpx.Response:
    transport = httpx.ASGITransport(create_app(PACE, log))
    async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
        return await client.post(path, **(dict[str, Any](headers=KEY) | request))
