"""How answers of the offline model end, and what of it is an answer."""

from typing import Any

import pytest

from tests.support.offline_model import OfflineModel, the_answer
from worker.errors import (
    ContentBlocked,
    EmptyReply,
    Truncated,
)


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT"])
async def test_a_blocked_prompt(offline_model: OfflineModel, reason: str) -> None:
    await offline_model.add(fault="blocked_prompt", reason=reason)

    heard = await offline_model.ask()

    assert isinstance(heard.error, ContentBlocked)
    assert heard.pieces == []
    assert heard.usage.prompt
    assert heard.usage.candidates == 0
    [call] = await offline_model.logged()
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
async def test_ends_that_are_no_answer(
    offline_model: OfflineModel, reason: str | None, after: int, kind: type[Exception]
) -> None:
    await offline_model.add(fault="finish", reason=reason, after=after)

    heard = await offline_model.ask()

    assert type(heard.error) is kind
    assert len(heard.pieces) == after
    [call] = await offline_model.logged()
    assert (call["outcome"], call["finish_reason"], call["pieces"]) == ("completed", reason, after)


@pytest.mark.parametrize("after", [3, None])
async def test_an_answer_cut_at_the_limit_is_one(offline_model: OfflineModel, after: int | None) -> None:
    whole = await offline_model.ask()
    await offline_model.add(fault="finish", reason="MAX_TOKENS", after=after)

    heard = await offline_model.ask()

    assert heard.error is None
    assert heard.pieces == whole.pieces[:after]
    assert heard.stream.finish_reason == "max_tokens"
    assert heard.usage.candidates


async def test_without_candidates_it_is_no_answer(offline_model: OfflineModel) -> None:
    await offline_model.add(fault="no_candidates")

    assert isinstance((await offline_model.ask()).error, Truncated)
    assert [call["finish_reason"] for call in await offline_model.logged()] == [None]


async def test_an_empty_text_is_no_answer(offline_model: OfflineModel) -> None:
    await offline_model.add(fault="empty_text")

    assert isinstance((await offline_model.ask()).error, EmptyReply)
    assert [call["finish_reason"] for call in await offline_model.logged()] == ["STOP"]


async def test_it_says_what_it_is_told_to(offline_model: OfflineModel) -> None:
    text = "# Títle\n\n![a picture](https://elsewhere.test/x.png) 😀\n"
    await offline_model.add(fault="say", text=text)

    said = await offline_model.ask()

    assert (said.error, said.text) == (None, text)


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
async def test_the_whole_answer_in_another_manner(offline_model: OfflineModel, fault: dict[str, Any]) -> None:
    whole = await the_answer(offline_model)
    await offline_model.add(**fault)

    heard = await offline_model.ask()

    assert (heard.text, heard.stream.finish_reason, heard.error) == (whole, "stop", None)
    [_, call] = await offline_model.logged(2)
    assert (call["outcome"], call["fault"]) == ("completed", fault["fault"])


async def test_what_a_filter_refused_is_not_made_good_by_an_end(offline_model: OfflineModel) -> None:
    await offline_model.add(fault="blocked_then_stop")

    assert isinstance((await offline_model.ask()).error, ContentBlocked)
