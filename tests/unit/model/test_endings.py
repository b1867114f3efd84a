"""Every row of the table of the model's door, over HTTP and by the real client."""

from typing import Any

import pytest

from tests.support.gemini import PROMPT, google, talking
from tests.support.scripted_model import Exchange, Script, says
from worker.errors import (
    AccessRefused,
    ContentBlocked,
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


def test_the_reasons_of_the_table_are_two_kinds() -> None:
    """Which reason is of which kind: test_gemini_reasons.py, by the library's own list."""
    assert not endings.BLOCKED & endings.BROKEN_OFF
    for reason in endings.BLOCKED:
        with pytest.raises(ContentBlocked):
            endings.judge_end(reason, None, True)
    for reason in endings.BROKEN_OFF:
        with pytest.raises(Truncated):
            endings.judge_end(reason, None, True)


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
