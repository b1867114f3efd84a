"""Every row of the table of the model's door, over HTTP and by the real client."""

import json
from typing import Any

import httpx2
import pytest
from google.rpc import code_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gemini import PROMPT, talking
from tests.support.scripted_model import Exchange, Script, says
from worker.errors import (
    AccessRefused,
    ContentBlocked,
    Disconnected,
    EmptyReply,
    InternalError,
    ModelError,
    ModelGone,
    ModelOverloaded,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
    TimedOut,
    Truncated,
)
from worker.model import endings

HTML = b"<html><body>sentinel</body></html>"
NOT_UTF8 = b'{"error": {"message": "sentinel \xe9\xff"}}'
DEEP = b'{"error":' * 100_000
KEY = "AIzaSySentinel"


def google(word: str, message: str = "sentinel") -> dict[str, Any]:
    return {"error": {"status": word, "message": message}}


UNREADABLE: list[Any] = [NOT_UTF8, DEEP, b"", b"\x00", b"[", "x", 7, None, [], [[]], {"error": 7}]

# Status and body as they come over HTTP, and what they mean.
ANSWERS: list[tuple[int, Any, type[ModelError]]] = [
    # Each status that has a row, and 429
    (401, google("UNAUTHENTICATED"), AccessRefused),
    (402, HTML, AccessRefused),
    (403, google("PERMISSION_DENIED"), AccessRefused),
    (404, google("NOT_FOUND"), ModelGone),
    (407, HTML, AccessRefused),
    (408, HTML, TimedOut),
    (409, google("ABORTED"), ModelOverloaded),
    (410, HTML, ModelGone),
    (413, HTML, PromptTooLong),
    (425, HTML, ModelOverloaded),
    (429, google("RESOURCE_EXHAUSTED"), RateLimited),
    (429, google("RESOURCE_EXHAUSTED", "limit: 0"), QuotaSpent),
    (451, HTML, AccessRefused),
    (499, google("CANCELLED"), ModelOverloaded),
    (504, google("DEADLINE_EXCEEDED"), TimedOut),
    (524, HTML, TimedOut),
    # … and each hundred
    (204, b"", Truncated),
    (201, {}, Truncated),
    (301, HTML, AccessRefused),
    (307, HTML, AccessRefused),
    (405, HTML, InternalError),
    (422, {}, InternalError),
    *((status, HTML, ModelOverloaded) for status in (500, 501, 502, 503, 507, 508, 520, 521, 522)),
    *((status, HTML, ModelOverloaded) for status in (523, 529, 530, 599)),
    (999, HTML, ModelOverloaded),
    # A 400 by its message
    (400, google("INVALID_ARGUMENT"), InternalError),
    (400, google("INVALID_ARGUMENT", "The input token count (2) exceeds the maximum"), PromptTooLong),
    (400, google("INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."), PromptTooLong),
    (400, google("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), AccessRefused),
    (400, google("FAILED_PRECONDITION", "User location is not supported."), AccessRefused),
    # A body that cannot be read changes nothing about the status
    *((503, body, ModelOverloaded) for body in UNREADABLE),
    (429, NOT_UTF8, RateLimited),
    (503, [google("UNAVAILABLE")], ModelOverloaded),
    (503, {"error": {"status": {"x": KEY}, "message": [KEY]}}, ModelOverloaded),
    (503, {"error": {"status": KEY, "message": KEY}}, ModelOverloaded),
    (503, {"status": KEY, "message": KEY}, ModelOverloaded),
]  # fmt: skip


def answers(status: int, body: Any) -> Script:
    return lambda exchange: exchange.answer(status, body)


async def error_of(gemini: Any) -> Exception | None:
    async with gemini.stream("m", PROMPT) as stream:
        try:
            async for _ in stream:
                pass
        except Exception as error:
            return error
    return None


async def test_what_each_answer_means() -> None:
    async with talking(*(answers(status, body) for status, body, _ in ANSWERS)) as (server, gemini):
        errors = [await error_of(gemini) for _ in ANSWERS]
        assert len(server.requests) == len(ANSWERS), "one request for each call"

    for (status, body, wanted), error in zip(ANSWERS, errors, strict=True):
        assert type(error) is wanted, (status, body, error)
        assert str(error).split()[0] == str(status)
        assert "entinel" not in str(error), "no word of the provider's but those that are known"


async def test_only_a_refusal_that_cannot_have_come_after_the_model_began_is_not_billed() -> None:
    """All but an answer that says that time was up, which a gateway may give, and one of another 2xx."""
    async with talking(*(answers(status, body) for status, body, _ in ANSWERS)) as (_, gemini):
        errors = [await error_of(gemini) for _ in ANSWERS]

    for (status, _, _), error in zip(ANSWERS, errors, strict=True):
        assert isinstance(error, ModelError)
        assert error.is_unbilled is (status not in (201, 204, 408, 504, 524)), status


@pytest.mark.parametrize("status", ["UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "INVALID_ARGUMENT"])
async def test_an_error_within_the_stream_may_come_after_the_model_began(status: str) -> None:
    async with talking(says(google(status))) as (_, gemini):
        error = await error_of(gemini)

    assert isinstance(error, ModelError)
    assert not error.is_unbilled


@pytest.mark.parametrize(
    ("error", "is_unbilled"),
    [
        (httpx2.ConnectError("x"), True),
        (httpx2.ConnectTimeout("x"), True),
        (httpx2.PoolTimeout("x"), True),
        (httpx2.ProxyError("x"), True),
        (httpx2.ReadTimeout("x"), False),
        (httpx2.WriteTimeout("x"), False),
        (httpx2.ReadError("x"), False),
        (httpx2.RemoteProtocolError("x"), False),
        (TimeoutError(), False),
        (ValueError("x"), False),
    ],
)
def test_a_call_that_did_not_get_through_is_not_billed(error: Exception, is_unbilled: bool) -> None:
    assert endings.translate(error).is_unbilled is is_unbilled


def test_no_row_of_the_table_is_left_out() -> None:
    statuses = {status for status, _, _ in ANSWERS}
    assert endings.BY_STATUS.keys() <= statuses
    unnamed = statuses - endings.BY_STATUS.keys()
    assert {*endings.BY_HUNDRED, 5, 9} <= {status // 100 for status in unnamed}
    messages = [body["error"]["message"].lower() for status, body, _ in ANSWERS if status == 400]
    for words, _ in endings.BAD_REQUESTS:
        assert any(all(word in message for word in words) for message in messages)


@pytest.mark.parametrize("status", endings.BY_STATUS)
def test_each_row_of_the_table_is_read(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    class Changed(ModelError):
        pass

    monkeypatch.setitem(endings.BY_STATUS, status, Changed)
    assert type(endings.refusal(status, None, {})) is Changed


# The HTTP status of each, as google/rpc/code.proto tells it.
WORDS = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}


def test_every_word_of_google_s_is_known() -> None:
    assert {*WORDS, "OK"} == set(code_pb2.Code.keys())


@pytest.mark.parametrize(("word", "status"), WORDS.items())
def test_a_word_of_google_s_is_told_and_stands_for_its_status(word: str, status: int) -> None:
    by_word, by_status = endings.refusal(None, google(word), {}), endings.refusal(status, google(word), {})

    assert type(by_word) is type(by_status)
    assert str(by_word) == str(by_status) == f"{status} {word}"


@pytest.mark.parametrize("code", [None, True, "503", 0, -1, 10**30, 7.5, [], {}])
def test_an_error_within_the_stream_without_a_number_is_trouble_of_the_model(code: object) -> None:
    error = endings.refusal(code, {"error": {"code": code}}, {})

    assert (type(error), str(error)) == (ModelOverloaded, "500")


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (EmptyReply("x"), EmptyReply),
        (httpx2.ReadTimeout("x"), TimedOut),
        (httpx2.ConnectTimeout("x"), TimedOut),
        (httpx2.PoolTimeout("x"), TimedOut),
        (TimeoutError(), TimedOut),
        (httpx2.ConnectError("x"), ModelOverloaded),
        (httpx2.ProxyError("x"), ModelOverloaded),
        (httpx2.ReadError("x"), Disconnected),
        (httpx2.RemoteProtocolError("x"), Disconnected),
        (httpx2.DecodingError("x"), Disconnected),
        (RuntimeError("x"), InternalError),
    ],
)
def test_what_a_connection_raises(error: Exception, wanted: type[ModelError]) -> None:
    assert type(endings.translate(error)) is wanted


@pytest.mark.parametrize("error", [httpx2.ReadTimeout("x"), httpx2.WriteTimeout("x"), TimeoutError()])
def test_a_silence_was_ended_by_us(error: Exception) -> None:
    assert not endings.translate(error).is_of_the_provider


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504, 524])
def test_a_refusal_was_ended_by_the_provider(status: int) -> None:
    assert endings.refusal_of_all(status, None, {}).is_of_the_provider
    assert endings.translate(httpx2.RemoteProtocolError("x")).is_of_the_provider


def test_the_reasons_of_the_table_are_two_kinds() -> None:
    """Which reason is of which kind: test_gemini_reasons.py, by the library's own list."""
    assert not endings.BLOCKED & endings.BROKEN_OFF
    for reason in endings.BLOCKED:
        with pytest.raises(ContentBlocked):
            endings.judge_end(reason, None, True)
    for reason in endings.BROKEN_OFF:
        with pytest.raises(Truncated):
            endings.judge_end(reason, None, True)


values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4)
details = st.fixed_dictionaries(
    {},
    optional={
        "@type": st.sampled_from(["google.rpc.RetryInfo", "google.rpc.QuotaFailure"]) | values,
        "retryDelay": st.sampled_from(["7s", "-1s", "nans"]) | values,
        "violations": values
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "quotaId": st.sampled_from(["RequestsPerMinute", "RequestsPerDay"]) | values,
                    "quotaValue": values,
                },
            )
            | values
        ),
    },
)
refusals = values | st.fixed_dictionaries(
    {
        "error": values
        | st.fixed_dictionaries(
            {},
            optional={
                "status": st.sampled_from(sorted(endings.STATUS_OF_WORD)) | values,
                "message": values,
                "details": values | st.lists(details | values),
            },
        )
    }
)


@given(st.integers() | values, refusals, st.text())
def test_whatever_a_refusal_says_it_is_one_of_ours_and_can_be_logged(status: Any, body: Any, wish: str) -> None:
    error = endings.refusal(status, body, {"retry-after": wish})

    assert isinstance(error, ModelError)
    assert error.retry_after is None or 0 <= error.retry_after <= endings.LONGEST_WISH_SECONDS
    number, _, word = str(error).partition(" ")
    assert 100 <= int(number) <= 999
    assert word in {"", *endings.STATUS_OF_WORD}


def test_a_limit_that_is_no_number_of_calls() -> None:
    many = {"quotaId": "RequestsPerMinute", "quotaValue": "9" * 5000}
    body = {"error": {"details": [{"@type": "x.QuotaFailure", "violations": [many]}]}}

    error = endings.refusal(429, json.loads(json.dumps(body)), {})

    assert isinstance(error, RateLimited)
    assert error.limit is None


async def test_a_refusal_whose_body_never_ends_is_known_by_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.model.gemini_http.REFUSAL_SECONDS", 0.1)

    async def script(exchange: Exchange) -> None:
        await exchange.answer(429, b"x", {"Content-Length": "1000"})
        await exchange.gone.wait()

    async with talking(script) as (_, gemini):
        assert isinstance(await error_of(gemini), RateLimited)


async def test_a_refusal_whose_body_breaks_off_is_known_by_its_status() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(503, b"x", {"Content-Length": "1000"})
        await exchange.reset()

    async with talking(script) as (_, gemini):
        assert isinstance(await error_of(gemini), ModelOverloaded)
