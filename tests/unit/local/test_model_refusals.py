"""The offline model refuses: each way is told to the worker by its own client."""

from typing import Any

import pytest

from tests.support.offline_model import MODEL, OfflineModel, post
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
async def test_refusals(
    offline_model: OfflineModel, fault: dict[str, Any], kind: type[ModelError], retry_after: float | None
) -> None:
    assert (await offline_model.add(fault="refuse", **fault)).status_code == 201

    error = (await offline_model.ask()).error

    assert isinstance(error, ModelError)
    assert type(error) is kind
    assert error.retry_after == retry_after
    [call] = await offline_model.logged()
    assert (call["status"], call["outcome"], call["fault"]) == (fault["status"], "refused", "refuse")


@pytest.mark.parametrize(
    ("quota", "limit", "period"), [("minute", 10, "PerMinute"), ("day", 250, "PerDay"), ("zero", 0, "PerDay")]
)
async def test_a_quota_is_named_in_words_and_in_the_details(
    offline_model: OfflineModel, quota: str, limit: int, period: str
) -> None:
    await offline_model.add(fault="refuse", status=429, quota=quota)

    answer = await post(offline_model)

    error = answer.json()["error"]
    assert f"limit: {limit}, model: {MODEL}" in error["message"]
    [violation] = error["details"][0]["violations"]
    assert period in violation["quotaId"]
    assert violation.get("quotaValue", "0") == str(limit)


async def test_a_gateways_page_is_no_json(offline_model: OfflineModel) -> None:
    await offline_model.add(fault="refuse", status=502, html=True)

    answer = await post(offline_model)

    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")


@pytest.mark.parametrize("status", [302, 307, 409, 507, 508, 520, 521, 522, 523, 524, 529, 530, 599])
async def test_more_ways_to_refuse(offline_model: OfflineModel, status: int) -> None:
    await offline_model.add(fault="refuse", status=status)

    error = (await offline_model.ask()).error

    assert str(error).split()[0] == str(status)
    [call] = await offline_model.logged()
    assert (call["outcome"], call["status"]) == ("refused", status)


async def test_a_refusal_of_another_encoding(offline_model: OfflineModel) -> None:
    await offline_model.add(fault="refuse", status=503, not_utf8=True)

    assert isinstance((await offline_model.ask()).error, ModelOverloaded)
