"""The offline model's bad days, as the worker's own client meets them over a socket."""

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from worker.config import WorkerSettings
from worker.errors import (
    AccessRefused,
    ContentBlocked,
    EmptyReply,
    InternalError,
    ModelGone,
    ModelOverloaded,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
    TimedOut,
    Truncated,
)
from worker.local.gemini.call_log import CallLog
from worker.local.gemini.connection import OpenProtocol
from worker.local.gemini.fault_queue import FaultQueue
from worker.local.gemini.server import create_app
from worker.model.gemini import Gemini, GeminiStream
from worker.prompt.context import Prompt
from worker.rows import Message

SYSTEM = "<post>\nCaption: zorple\nMetrics: likes: 918273\n</post>"
QUESTION = "How many likes?"
MODEL = "gemini-3.8-flash"
IDLE = 0.5  # seconds of silence that the client takes


@dataclass
class House:
    """A served model, the worker's client of it, and the model's log."""

    url: str
    gemini: Gemini
    log: Path

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    async def add(self, **fault: Any) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.post(f"{self.url}/faults", json=fault)

    async def left(self) -> list[dict[str, Any]]:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{self.url}/faults")).json()

    async def delete(self, path: str = "") -> int:
        async with httpx.AsyncClient() as client:
            return (await client.delete(f"{self.url}/faults{path}")).status_code

    async def ask(self, question: str = QUESTION, model: str = MODEL) -> "Heard":
        heard = Heard([])
        prompt = Prompt(SYSTEM, [Message("user", question)])
        async with self.gemini.stream(model, prompt) as stream:
            heard.stream = stream
            try:
                async for piece in stream:
                    heard.pieces.append(piece)
            except Exception as error:
                heard.error = error
        return heard

    async def logged(self, count: int = 1) -> list[dict[str, Any]]:
        """A call is logged when the server is through with it, which may be after the client."""
        async with asyncio.timeout(5):
            while len(self.calls) < count:  # noqa: ASYNC110 - the server tells by the file alone
                await asyncio.sleep(0.01)
        assert len(self.calls) == count
        return self.calls


@dataclass
class Heard:
    pieces: list[str]
    error: Exception | None = None
    stream: GeminiStream | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@contextlib.asynccontextmanager
async def serving(log: Path, *, faults: bool):
    app = create_app(0.002, CallLog(log), FaultQueue() if faults else None)
    http = OpenProtocol if faults else "auto"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, http=http, log_config=None, lifespan="off"))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, not an event
            await asyncio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@pytest.fixture
async def house(tmp_path):
    log = tmp_path / "calls.jsonl"
    async with serving(log, faults=True) as url:
        settings = WorkerSettings(
            _env_file=None,
            supabase_url="http://unused",
            supabase_secret_key="unused",
            gemini_api_key="k",
            gemini_base_url=url,
            model_idle_seconds=IDLE,
        )
        gemini = Gemini(settings)
        try:
            yield House(url, gemini, log)
        finally:
            await gemini.close()


@pytest.mark.parametrize(
    ("fault", "kind", "retry_after"),
    [
        ({"status": 400}, InternalError, None),
        ({"status": 400, "message": "The input token count (9) exceeds the maximum."}, PromptTooLong, None),
        ({"status": 400, "message": "API key not valid."}, AccessRefused, None),
        ({"status": 403}, AccessRefused, None),
        ({"status": 404}, ModelGone, None),
        ({"status": 408}, TimedOut, None),
        ({"status": 413}, PromptTooLong, None),
        ({"status": 429}, RateLimited, None),
        ({"status": 429, "quota": "minute", "retry_info": 23.5, "retry_after": 7}, RateLimited, 23.5),
        ({"status": 429, "retry_after": 7}, RateLimited, 7),
        ({"status": 429, "quota": "day", "retry_info": 35_640}, QuotaSpent, None),
        ({"status": 429, "quota": "zero", "retry_info": 36}, QuotaSpent, None),
        ({"status": 500}, ModelOverloaded, None),
        ({"status": 502, "html": True}, ModelOverloaded, None),
        ({"status": 503, "retry_info": 2}, ModelOverloaded, 2),
        ({"status": 504}, TimedOut, None),
    ],
)
async def test_refusals(house, fault, kind, retry_after):
    assert (await house.add(fault="refuse", **fault)).status_code == 201

    heard = await house.ask()

    assert type(heard.error) is kind
    assert heard.error.retry_after == retry_after
    [call] = await house.logged()
    assert (call["status"], call["outcome"], call["fault"]) == (fault["status"], "refused", "refuse")


@pytest.mark.parametrize(
    ("quota", "limit", "period"), [("minute", 10, "PerMinute"), ("day", 250, "PerDay"), ("zero", 0, "PerDay")]
)
async def test_a_quota_is_named_in_words_and_in_the_details(house, quota, limit, period):
    await house.add(fault="refuse", status=429, quota=quota)

    answer = await post(house)

    error = answer.json()["error"]
    assert f"limit: {limit}, model: {MODEL}" in error["message"]
    [violation] = error["details"][0]["violations"]
    assert period in violation["quotaId"]
    assert violation.get("quotaValue", "0") == str(limit)


async def test_a_gateways_page_is_no_json(house):
    await house.add(fault="refuse", status=502, html=True)

    answer = await post(house)

    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")


@pytest.mark.parametrize("after", [None, 0, 3])
async def test_stalls(house, after):
    await house.add(fault="stall", after=after)

    heard = await house.ask()

    assert isinstance(heard.error, TimedOut)
    assert len(heard.pieces) == (after or 0)
    [call] = await house.logged()
    assert (call["outcome"], call["fault"], call["pieces"]) == ("aborted", "stall", after or 0)


@pytest.mark.parametrize("after", [None, 0, 3])
async def test_a_stall_that_ends_in_time_does_no_harm(house, after):
    await house.add(fault="stall", after=after, seconds=IDLE / 5)

    slow, usual = await house.ask(), await house.ask()

    assert (slow.error, slow.text) == (None, usual.text)
    assert [call["outcome"] for call in await house.logged(2)] == ["completed"] * 2


@pytest.mark.parametrize("after", [None, 0, 3])
@pytest.mark.parametrize(("fault", "cause"), [("reset", "ReadError"), ("close", "RemoteProtocolError")])
async def test_connections_that_break(house, fault, cause, after):
    await house.add(fault=fault, after=after)

    heard = await house.ask()

    assert isinstance(heard.error, Truncated)
    assert str(heard.error) == cause
    assert len(heard.pieces) == (after or 0)
    [call] = await house.logged()
    outcome = {"reset": "reset", "close": "closed"}[fault]
    assert (call["outcome"], call["fault"], call["pieces"]) == (outcome, fault, after or 0)
    assert (await house.ask()).error is None


@pytest.mark.parametrize("kind", ["invalid_json", "half_event", "comment", "html"])
@pytest.mark.parametrize("after", [0, 2])
async def test_garbage(house, kind, after):
    await house.add(fault="garbage", kind=kind, after=after)

    heard = await house.ask()

    assert isinstance(heard.error, Truncated)
    assert len(heard.pieces) == after
    [call] = await house.logged()
    assert (call["outcome"], call["fault"], call["pieces"]) == ("completed", "garbage", after)
    assert call["finish_reason"] is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InternalError), (429, RateLimited), (500, ModelOverloaded), (503, ModelOverloaded), (504, TimedOut)],
)
@pytest.mark.parametrize("after", [0, 2])
async def test_an_error_inside_a_200(house, status, kind, after):
    await house.add(fault="error_event", status=status, after=after, retry_info=3)

    heard = await house.ask()

    assert type(heard.error) is kind
    assert len(heard.pieces) == after
    assert heard.error.retry_after == (None if status == 400 else 3)
    [call] = await house.logged()
    assert (call["status"], call["fault"], call["pieces"]) == (200, "error_event", after)


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT"])
async def test_a_blocked_prompt(house, reason):
    await house.add(fault="blocked_prompt", reason=reason)

    heard = await house.ask()

    assert isinstance(heard.error, ContentBlocked)
    assert heard.pieces == []
    assert heard.stream.usage.prompt > 0
    assert heard.stream.usage.candidates == 0
    [call] = await house.logged()
    assert (call["outcome"], call["pieces"], call["finish_reason"]) == ("completed", 0, None)


@pytest.mark.parametrize(
    ("reason", "after", "kind"),
    [
        ("SAFETY", 2, ContentBlocked),
        ("SAFETY", 0, ContentBlocked),
        ("RECITATION", 2, ContentBlocked),
        ("PROHIBITED_CONTENT", 0, ContentBlocked),
        ("OTHER", 2, Truncated),
        ("OTHER", 0, EmptyReply),
        ("MAX_TOKENS", 0, EmptyReply),
        ("STOP", 0, EmptyReply),
        (None, 0, Truncated),
        (None, 2, Truncated),
    ],
)
async def test_ends_that_are_no_answer(house, reason, after, kind):
    await house.add(fault="finish", reason=reason, after=after)

    heard = await house.ask()

    assert type(heard.error) is kind
    assert len(heard.pieces) == after
    [call] = await house.logged()
    assert (call["outcome"], call["finish_reason"], call["pieces"]) == ("completed", reason, after)


@pytest.mark.parametrize("after", [3, None])
async def test_an_answer_cut_at_the_limit_is_one(house, after):
    whole = await house.ask()
    await house.add(fault="finish", reason="MAX_TOKENS", after=after)

    heard = await house.ask()

    assert heard.error is None
    assert heard.pieces == whole.pieces[:after]
    assert heard.stream.finish_reason == "max_tokens"
    assert heard.stream.usage.candidates > 0


async def test_without_candidates_it_is_no_answer(house):
    await house.add(fault="no_candidates")

    assert isinstance((await house.ask()).error, Truncated)
    assert [call["finish_reason"] for call in await house.logged()] == [None]


async def test_an_empty_text_is_no_answer(house):
    await house.add(fault="empty_text")

    assert isinstance((await house.ask()).error, EmptyReply)
    assert [call["finish_reason"] for call in await house.logged()] == ["STOP"]


async def test_another_pace_is_the_same_answer(house):
    usual = await house.ask()
    await house.add(fault="slow", pace_ms=40)

    slow = await house.ask()

    assert (slow.error, slow.pieces) == (None, usual.pieces)
    assert slow.stream.latency_ms >= 40 * len(slow.pieces)


async def test_it_says_what_it_is_told_to(house):
    text = "# Títle\n\n![a picture](https://elsewhere.test/x.png) 😀\n"
    await house.add(fault="say", text=text)

    said = await house.ask()

    assert (said.error, said.text) == (None, text)


async def the_answer(house) -> str:
    heard = await house.ask()
    assert heard.error is None
    return heard.text


@pytest.mark.parametrize("status", [302, 307, 409, 507, 508, 520, 521, 522, 523, 524, 529, 530, 599])
async def test_more_ways_to_refuse(house, status):
    await house.add(fault="refuse", status=status)

    error = (await house.ask()).error

    assert str(error).split()[0] == str(status)
    [call] = await house.logged()
    assert (call["outcome"], call["status"]) == ("refused", status)


async def test_a_refusal_of_another_encoding(house):
    await house.add(fault="refuse", status=503, not_utf8=True)

    assert isinstance((await house.ask()).error, ModelOverloaded)


@pytest.mark.parametrize(
    ("manner", "outcome"), [("reset", "reset"), ("close", "closed"), ("junk", "completed"), ("silence", "aborted")]
)
async def test_what_comes_after_the_end_costs_no_answer(house, manner, outcome):
    whole = await the_answer(house)
    await house.add(fault="after_the_end", manner=manner)

    heard = await house.ask()

    assert (heard.text, heard.stream.finish_reason, heard.error) == (whole, "stop", None)
    [_, call] = await house.logged(2)
    assert (call["outcome"], call["fault"]) == (outcome, "after_the_end")


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "figures", "usage": {"promptTokenCount": 10, "cachedContentTokenCount": 50}},
        {"fault": "figures", "usage": {"promptTokenCount": -1}, "model_version": "x\x00"},
        {"fault": "figures", "usage": 7, "model_version": 7},
        *({"fault": "framing", "manner": manner} for manner in ("comments", "fields", "no_blank", "bom")),
        {"fault": "repeat", "manner": "last"},
        {"fault": "repeat", "manner": "cumulative"},
        {"fault": "two_answers"},
        {"fault": "finish", "reason": "BRAND_NEW"},
    ],
)
async def test_the_whole_answer_in_another_manner(house, fault):
    whole = await the_answer(house)
    await house.add(**fault)

    heard = await house.ask()

    assert (heard.text, heard.stream.finish_reason, heard.error) == (whole, "stop", None)
    [_, call] = await house.logged(2)
    assert (call["outcome"], call["fault"]) == ("completed", fault["fault"])


async def test_what_a_filter_refused_is_not_made_good_by_an_end(house):
    await house.add(fault="blocked_then_stop")

    assert isinstance((await house.ask()).error, ContentBlocked)


async def test_faults_are_met_in_order_and_as_often_as_was_asked(house):
    await house.add(fault="refuse", status=503, times=2)
    await house.add(fault="refuse", status=404)

    errors = [type((await house.ask()).error) for _ in range(4)]

    assert errors == [ModelOverloaded, ModelOverloaded, ModelGone, type(None)]
    assert [(each["id"], each["used"], each["left"]) for each in await house.left()] == [(1, 2, 0), (2, 1, 0)]


async def test_only_the_calls_that_were_meant_meet_a_fault(house):
    await house.add(fault="refuse", status=503, question="marker-a", times=None)
    await house.add(fault="refuse", status=404, model="gemini-gone", times=None)

    assert (await house.ask("How many likes? marker-b")).error is None
    assert isinstance((await house.ask("How many likes? marker-a")).error, ModelOverloaded)
    assert isinstance((await house.ask(model="gemini-gone")).error, ModelGone)
    assert [(each["used"], each["left"]) for each in await house.left()] == [(1, None), (1, None)]


async def test_faults_are_taken_back_one_by_one_or_all(house):
    first = (await house.add(fault="refuse", status=503, times=None)).json()["id"]
    await house.add(fault="refuse", status=404, times=None)

    assert await house.delete(f"/{first}") == 204
    assert await house.delete(f"/{first}") == 404
    assert isinstance((await house.ask()).error, ModelGone)
    assert await house.delete() == 204
    assert (await house.left(), (await house.ask()).error) == ([], None)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"fault": "sulk"}',
        b'{"fault": "refuse"}',
        b'{"fault": "refuse", "status": 200}',
        b'{"fault": "reset", "after": -1}',
        b'{"fault": "reset", "times": 0}',
        b'{"fault": "reset", "pieces": 3}',
    ],
)
async def test_a_fault_that_is_none_is_refused_with_the_reason(house, body):
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{house.url}/faults", content=body)

    assert answer.status_code == 400
    assert answer.json()["problems"]
    assert await house.left() == []


async def test_unless_asked_for_there_are_no_faults(tmp_path):
    async with serving(tmp_path / "log", faults=False) as url, httpx.AsyncClient() as client:
        fault = {"fault": "refuse", "status": 503}
        answers = [await client.post(f"{url}/faults", json=fault), await client.get(f"{url}/faults")]
        answers.append(await client.delete(f"{url}/faults"))

    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def post(house: House) -> httpx.Response:
    path = f"v1/models/{MODEL}:streamGenerateContent?alt=sse"
    body = {"contents": [{"parts": [{"text": QUESTION}]}]}
    async with httpx.AsyncClient() as client:
        return await client.post(f"{house.url}/{path}", json=body, headers={"x-goog-api-key": "k"})
