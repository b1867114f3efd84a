"""The offline model on the wire: the real google-genai client talks to it, only its address differs."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from google import genai
from google.genai import errors, types

from worker.local.gemini.call_log import CallLog
from worker.local.gemini.server import create_app
from worker.local.gemini.tokens import count_tokens, pieces, truncate

SYSTEM = "<post>\nCaption: zorple\nMetrics: likes: 918273\n</post>"
PACE = 0.002
SLOW_PACE = 0.02
NO_LOG = CallLog(None)
KEY = {"x-goog-api-key": "k"}
BODY = {"contents": [{"parts": [{"text": "How many likes?"}]}]}


@pytest.fixture
async def address():
    """A served model whose calls are logged at `log_path`."""
    async for url in _serve(NO_LOG):
        yield url


@pytest.fixture
def log_path(tmp_path):
    return tmp_path / "calls.jsonl"


@pytest.fixture
async def logged_address(log_path):
    async for url in _serve(CallLog(log_path), SLOW_PACE):
        yield url


async def _serve(log: CallLog, pace: float = PACE):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(pace, log), log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, not an event
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@asynccontextmanager
async def _client(address: str, version: str = "v1"):
    options = types.HttpOptions(base_url=address, api_version=version, timeout=10_000)
    client = genai.Client(api_key="k", http_options=options)
    yield client
    await client.aio.aclose()
    client.close()


@pytest.fixture
async def client(address):
    async with _client(address) as made:
        yield made


@pytest.fixture
async def logged_client(logged_address):
    async with _client(logged_address) as made:
        yield made


def _config(**settings) -> types.GenerateContentConfig:
    quiet = types.AutomaticFunctionCallingConfig(disable=True)
    return types.GenerateContentConfig(system_instruction=SYSTEM, automatic_function_calling=quiet, **settings)


async def _stream(client: genai.Client, question: str, **settings) -> list[types.GenerateContentResponse]:
    return [
        part
        async for part in await client.aio.models.generate_content_stream(
            model="gemini-3.8-flash", contents=question, config=_config(**settings)
        )
    ]


def _calls(log_path) -> list[dict]:
    return [json.loads(line) for line in log_path.read_text().splitlines()]


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_streams_small_pieces_with_running_usage(address, version):
    async with _client(address, version) as client:
        parts = await _stream(client, "How many likes?", temperature=0.5)

    assert "918,273 likes" in "".join(part.text for part in parts)
    assert len(parts) > 3
    assert [part.candidates[0].finish_reason for part in parts] == [None] * (len(parts) - 1) + ["STOP"]
    counts = [part.usage_metadata.candidates_token_count for part in parts]
    assert counts == sorted(counts)
    usage = parts[-1].usage_metadata
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert usage.prompt_token_count >= len(SYSTEM) // 4
    assert {part.model_version for part in parts} == {"offline-extractive"}
    assert len({part.response_id for part in parts}) == 1


async def test_unary_says_what_a_stream_says(client):
    whole = await client.aio.models.generate_content(
        model="gemini-3.8-flash", contents="How many likes?", config=_config()
    )

    assert whole.text == "".join(part.text for part in await _stream(client, "How many likes?"))


async def test_keeps_to_max_output_tokens(client):
    parts = await _stream(client, "How many likes?", max_output_tokens=5)

    assert parts[-1].candidates[0].finish_reason == "MAX_TOKENS"
    assert parts[-1].usage_metadata.candidates_token_count == 5


def test_pieces_are_one_or_two_words_and_join_to_the_text():
    text = "From the **analysis**:\n\n- one\n-  two three  "

    assert "".join(pieces(text)) == text
    assert all(1 <= len(piece.split()) <= 2 for piece in pieces(text))


def test_truncation_keeps_to_the_number_of_tokens():
    assert count_tokens(truncate("x" * 100, 7)) == 7
    assert count_tokens("") == 0


async def test_counts_tokens_and_lists_models(client):
    models = client.aio.models

    assert (await models.count_tokens(model="gemini-3.8-flash", contents="x" * 40)).total_tokens == 10
    assert (await models.get(model="gemini-3.8-flash")).name == "models/gemini-3.8-flash"
    assert "models/gemini-3.8-flash" in [model.name async for model in await models.list()]


async def test_history_is_understood(client):
    turns = [
        {"role": "user", "parts": [{"text": "What is the caption?"}]},
        {"role": "model", "parts": [{"text": "zorple"}]},
        {"role": "user", "parts": [{"text": "and likes?"}]},
    ]

    reply = await client.aio.models.generate_content(model="gemini-3.8-flash", contents=turns, config=_config())

    assert reply.text == "**918,273 likes**, according to the post's metrics."


async def test_snake_case_is_accepted():
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
async def test_malformed_bodies_are_refused_in_googles_shape(method, body):
    answer = await _post(f"v1/models/m:{method}", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


async def test_a_key_is_required():
    path = "v1/models/m:generateContent"

    missing = await _post(path, headers={}, json=BODY)
    empty = await _post(path, headers={"x-goog-api-key": ""}, json=BODY)

    assert (missing.status_code, missing.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert (empty.status_code, empty.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("path", ["", "v2/models/m:generateContent", "v1/models/m:sing", "v1/models/m", "v1/x"])
async def test_unknown_paths_are_not_found(path):
    answer = await _post(path, json=BODY)

    assert answer.status_code == 404
    assert answer.json()["error"]["status"] == "NOT_FOUND"


async def test_the_client_sees_a_refusal_as_its_own_error(client):
    with pytest.raises(errors.ClientError) as caught:
        await _stream(client, "x", max_output_tokens=-1)

    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(("seconds", "status"), [("5", 400), ("9", 400), ("10", 200), ("120", 200), ("soon", 200)])
async def test_a_deadline_below_ten_seconds_is_refused(address, seconds, status):
    """As Google's own server does it, for every call."""
    path = f"{address}/v1/models/gemini-3.8-flash:generateContent"
    async with httpx.AsyncClient(headers=KEY) as client:
        answer = await client.post(path, json=BODY, headers={"X-Server-Timeout": seconds})

    assert answer.status_code == status
    if status == 400:
        assert "Minimum allowed deadline is 10s" in answer.json()["error"]["message"]


async def test_healthz(address):
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{address}/healthz")).json() == {"status": "ok"}


async def test_calls_are_logged_without_the_key(logged_client, log_path):
    parts = await _stream(logged_client, "How many likes?")
    await _post("v1/models/m:countTokens", log=CallLog(log_path), headers={"x-goog-api-key": "s3cret"}, json={})

    answered, refused = _calls(log_path)
    assert answered["body"]["systemInstruction"]["parts"] == [{"text": SYSTEM}]
    assert answered["method"] == "streamGenerateContent"
    assert answered["model"] == "gemini-3.8-flash"
    assert answered["pieces"] == len(parts)
    assert (answered["status"], answered["finish_reason"], answered["outcome"]) == (200, "STOP", "completed")
    assert (refused["status"], refused["outcome"]) == (400, "refused")
    assert "s3cret" not in log_path.read_text()


async def test_stops_when_the_client_leaves(logged_client, log_path):
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

    async with asyncio.timeout(5):
        while not log_path.exists():  # noqa: ASYNC110 - the server tells by the file alone
            await asyncio.sleep(0.01)
    (call,) = _calls(log_path)
    assert (call["outcome"], call["finish_reason"]) == ("aborted", None)


async def _post(path: str, *, log: CallLog = NO_LOG, **request) -> httpx.Response:
    transport = httpx.ASGITransport(create_app(PACE, log))
    async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
        return await client.post(path, **({"headers": KEY} | request))
