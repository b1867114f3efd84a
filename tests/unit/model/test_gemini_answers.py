"""A whole answer stays one, whatever else its provider says."""

import json
from typing import Any

import pytest

from tests.support.gemini import heard, usage
from tests.support.scripted_model import chunk, says
from worker.errors import ContentBlocked, EmptyReply, Truncated


@pytest.mark.parametrize(
    "events",
    [
        [chunk("some"), chunk(finish="SAFETY"), chunk(finish="STOP")],
        [chunk("some"), chunk(finish="STOP"), chunk(finish="SAFETY")],
        [chunk("some", "SAFETY"), chunk(" more", "STOP")],
        [chunk("some", "STOP"), {"promptFeedback": {"blockReason": "BRAND_NEW"}}],
    ],
)
async def test_what_a_filter_has_refused_stays_refused(events: list[dict[str, Any]]) -> None:
    _, _, error = await heard(says(*events))

    assert isinstance(error, ContentBlocked)
    assert str(error) in ("SAFETY", "BLOCKED_REASON_UNSPECIFIED")


def candidates(*each: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": list(each)}


def candidate(text: str, index: int | None, finish: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"content": {"parts": [{"text": text}]}}
    return {**made, **({} if index is None else {"index": index}), **({"finishReason": finish} if finish else {})}


async def test_of_several_answers_the_first_by_index_is_taken() -> None:
    events = [
        candidates(candidate("a1", 0), candidate("b1", 1)),
        candidates(candidate("b2", 1, "SAFETY"), candidate("a2", 0)),
        candidates(candidate("b3", 1)),
        candidates(candidate("a3", None, "STOP")),
    ]

    pieces, stream, error = await heard(says(*events))

    assert (pieces, stream.finish_reason, error) == (["a1", "a2", "a3"], "stop", None)


@pytest.mark.parametrize("text", [" ", "\n\n", "\x00", "\x00 \u00a0\u2003\u200b\ufeff", "\u200b"])
async def test_nothing_to_see_is_no_answer(text: str) -> None:
    _, _, error = await heard(says(chunk(text), chunk(text, "STOP")))
    assert isinstance(error, EmptyReply)


async def test_halves_of_a_sign_are_something_to_see() -> None:
    pieces, _, error = await heard(says(chunk("\ud83d"), chunk("\ude00", "STOP")))
    assert (pieces, error) == (["\ud83d", "\ude00"], None)


STATED = "The hook is a question, and the first three seconds answer it."


@pytest.mark.parametrize(
    "pieces",
    [
        [STATED[:20], STATED[20:], STATED],
        [STATED[:20], STATED[20:], ""],
        [STATED[:9], STATED[:30], STATED],
        [STATED[:3], STATED[:30], STATED, STATED],
        [STATED],
        [STATED, STATED],
    ],
)
async def test_what_is_said_again_is_stored_once(pieces: list[str]) -> None:
    """The last piece is the whole answer, or each of them is all of it so far."""
    shown, _, error = await heard(says(*(chunk(piece) for piece in pieces), chunk(finish="STOP")))
    assert ("".join(shown), error) == (STATED, None)


@pytest.mark.parametrize(
    "pieces", [["ha", "ha ha"], ["1", "10 tips"], ["- ", "- a"], ["no no", " no no"], [STATED, " ", STATED]]
)
async def test_what_may_repeat_itself_is_left_alone(pieces: list[str]) -> None:
    shown, _, _ = await heard(says(*(chunk(piece) for piece in pieces), chunk(finish="STOP")))
    assert "".join(shown) == "".join(pieces)


@pytest.mark.parametrize(
    "told",
    [
        usage(10, cachedContentTokenCount=50),
        usage(-1, -1),
        usage(2**31, 2**40),
        usage(12.5, "many"),
        usage(10, 5, promptTokensDetails=7),
        {"usageMetadata": 7},
        {"usageMetadata": {"candidatesTokenCount": int("9" * 4000)}},
        {"modelVersion": "x\x00\ud83d"},
        {"modelVersion": 7},
        {"modelVersion": "x" * 100_000},
        {"responseId": 7, "createTime": [], "sdkHttpResponse": 7, "brandNew": {"x": 1}},
        {"promptFeedback": 7},
        {"promptFeedback": {"safetyRatings": 7}},
    ],
)
async def test_nothing_that_is_only_accounted_for_costs_an_answer(told: dict[str, Any]) -> None:
    first = chunk("All of it.")
    first["candidates"][0] |= {
        "safetyRatings": 7,
        "citationMetadata": "x",
        "groundingMetadata": [],
        "avgLogprobs": "x",
    }

    pieces, stream, error = await heard(says(first, {**chunk(finish="STOP"), **told}))

    assert (pieces, stream.finish_reason, error) == (["All of it."], "stop", None)
    json.dumps([stream.model_version], ensure_ascii=False).encode()
    assert "\x00" not in (stream.model_version or "")


@pytest.mark.parametrize(
    "event",
    [7, [], "x", None, {"candidates": 7}, candidates({"content": 7}), candidates({"content": {"parts": [7]}})],
)
async def test_a_piece_that_cannot_be_read_is_no_answer(event: Any) -> None:
    pieces, _, error = await heard(says(chunk("half"), event, chunk(finish="STOP")))
    assert (pieces, type(error)) == (["half"], Truncated)
