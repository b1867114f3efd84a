"""A refusal: its kind, the wait that the provider wishes, and the limit that it names."""

from typing import Any

import pytest

from tests.support.gemini import heard
from tests.support.scripted_model import refuses
from worker.errors import (
    AccessRefused,
    InternalError,
    ModelError,
    ModelGone,
    ModelOverloaded,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
    TimedOut,
)

RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23s"}
OTHER_DETAIL = {"@type": "type.googleapis.com/google.rpc.QuotaFailure"}


@pytest.mark.parametrize(
    ("details", "headers", "seconds"),
    [
        ([OTHER_DETAIL, RETRY_INFO], {}, 23.0),
        ([{**RETRY_INFO, "retryDelay": "0.5s"}], {}, 0.5),
        ([], {"Retry-After": "7"}, 7.0),
        ([RETRY_INFO], {"Retry-After": "7"}, 23.0),
        ([{**RETRY_INFO, "retryDelay": "soon"}], {"Retry-After": "7"}, 7.0),
        ([], {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ([OTHER_DETAIL], {}, None),
        ([{**RETRY_INFO, "retryDelay": "-3s"}], {"Retry-After": "7"}, 7.0),
        ([{**RETRY_INFO, "retryDelay": "nan"}], {}, None),
        ([{**RETRY_INFO, "retryDelay": "infs"}], {}, None),
    ],
)
async def test_the_limit_is_told_with_the_wish_of_the_provider(
    details: list[dict[str, Any]], headers: dict[str, str], seconds: float | None
) -> None:
    _, _, error = await heard(refuses(429, "RESOURCE_EXHAUSTED", details=details, headers=headers))

    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


async def test_no_wish_is_waited_for_without_end() -> None:
    _, _, error = await heard(refuses(503, "UNAVAILABLE", headers={"Retry-After": "86400"}))

    assert isinstance(error, ModelOverloaded)
    assert error.retry_after == 900


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, InternalError),
        (401, AccessRefused),
        (403, AccessRefused),
        (404, ModelGone),
        (408, TimedOut),
        (413, PromptTooLong),
        (429, RateLimited),
        (500, ModelOverloaded),
        (502, ModelOverloaded),
        (503, ModelOverloaded),
        (504, TimedOut),
    ],
)
async def test_every_status_has_its_kind_and_its_text_is_not_repeated(code: int, kind: type[ModelError]) -> None:
    _, _, error = await heard(refuses(code, "STATUS", "sentinel"))

    assert type(error) is kind
    assert "sentinel" not in str(error)


async def test_too_many_tokens() -> None:
    _, _, error = await heard(
        refuses(400, "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number allowed.")
    )

    assert isinstance(error, PromptTooLong)


def quota(*names: str) -> dict[str, Any]:
    """As Google names the limits that a 429 is about."""
    violations = [{"quotaId": f"GenerateRequests{name}PerProjectPerModel-FreeTier"} for name in names]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


@pytest.mark.parametrize(
    ("message", "details", "kind"),
    [
        ("Quota exceeded, limit: 10, model: m", [quota("PerMinute"), RETRY_INFO], RateLimited),
        ("Quota exceeded, limit: 250, model: m", [quota("PerDay")], QuotaSpent),
        ("Quota exceeded, limit: 250, model: m", [quota("PerMinute", "PerDay"), RETRY_INFO], QuotaSpent),
        ("Quota exceeded, limit: 0, model: m", [RETRY_INFO], QuotaSpent),
        ("Quota exceeded, limit: 0", [quota("PerMinute")], QuotaSpent),
        ("Quota exceeded, limit: 0.5, model: m", [], RateLimited),
        ("Resource exhausted", [{**RETRY_INFO, "retryDelay": "36620s"}], QuotaSpent),
        ("Resource exhausted", [{**quota(), "violations": "none"}], RateLimited),
        ("Resource exhausted", [{**quota(), "violations": ["x", {}]}], RateLimited),
    ],
)
async def test_a_limit_is_of_the_minute_or_of_the_day(
    message: str, details: list[dict[str, Any]], kind: type[ModelError]
) -> None:
    _, _, error = await heard(refuses(429, "RESOURCE_EXHAUSTED", message, details))

    assert type(error) is kind


def minute(name: str, value: object) -> dict[str, Any]:
    """A violation, of a limit of calls or of tokens."""
    return {"quotaId": name, "quotaValue": value}


CALLS, TOKENS = "GenerateRequestsPerMinutePerProjectPerModel", "GenerateContentInputTokensPerModelPerMinute"


@pytest.mark.parametrize(
    ("violations", "limit"),
    [
        ([minute(CALLS, "60")], 60),
        ([minute(f"{CALLS}-FreeTier", 10)], 10),
        ([minute(TOKENS, "250000"), minute(CALLS, "60")], 60),
        ([minute(CALLS, "60"), minute(CALLS, "15")], 15),
        ([minute(TOKENS, "250000")], None),
        ([minute(CALLS, "many")], None),
        ([minute(CALLS, "0")], None),
        ([minute(CALLS, "-5")], None),
        ([{"quotaId": CALLS}], None),
        ([minute("GenerateRequestsPerSecond", "5")], None),
        ([], None),
    ],
)
async def test_a_limit_of_calls_is_told_with_its_number(violations: list[dict[str, Any]], limit: int | None) -> None:
    details: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations},
        RETRY_INFO,
    ]
    _, _, error = await heard(refuses(429, "RESOURCE_EXHAUSTED", "Quota exceeded", details))

    assert isinstance(error, RateLimited)
    assert (type(error), error.limit, error.retry_after) == (RateLimited, limit, 23.0)


@pytest.mark.parametrize("body", [{"error": "slow down"}, {}, ["x"], "x", {"error": {"details": ["x"]}}])
async def test_a_limit_told_by_a_gateway_in_its_own_shape(body: object) -> None:
    _, _, error = await heard(lambda exchange: exchange.answer(429, body))

    assert isinstance(error, RateLimited)
