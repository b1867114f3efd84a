"""Every reason for which Gemini ends an answer or blocks a prompt."""

from typing import Any

import pytest
from google.genai import types

from tests.support.gemini import heard, usage
from tests.support.scripted_model import chunk, says
from worker.errors import ContentBlocked, EmptyReply, ModelError, Truncated
from worker.rows import Usage

# Every reason that Google's client knows, with what it means after some text, and without any.
ENDS = {
    "STOP": ("stop", EmptyReply),
    "MAX_TOKENS": ("max_tokens", EmptyReply),
    "SAFETY": (ContentBlocked, ContentBlocked),
    "RECITATION": (ContentBlocked, ContentBlocked),
    "LANGUAGE": (ContentBlocked, ContentBlocked),
    "BLOCKLIST": (ContentBlocked, ContentBlocked),
    "PROHIBITED_CONTENT": (ContentBlocked, ContentBlocked),
    "SPII": (ContentBlocked, ContentBlocked),
    "MODEL_ARMOR": (ContentBlocked, ContentBlocked),
    "ESCALATION": (ContentBlocked, ContentBlocked),
    "IMAGE_SAFETY": (ContentBlocked, ContentBlocked),
    "IMAGE_PROHIBITED_CONTENT": (ContentBlocked, ContentBlocked),
    "IMAGE_RECITATION": (ContentBlocked, ContentBlocked),
    "OTHER": (Truncated, EmptyReply),
    "FINISH_REASON_UNSPECIFIED": ("stop", EmptyReply),  # and so is one that nobody knows yet
    "MALFORMED_FUNCTION_CALL": (Truncated, EmptyReply),
    "MALFORMED_RESPONSE": (Truncated, EmptyReply),
    "UNEXPECTED_TOOL_CALL": (Truncated, EmptyReply),
    "TOO_MANY_TOOL_CALLS": (Truncated, EmptyReply),
    "MISSING_THOUGHT_SIGNATURE": (Truncated, EmptyReply),
    "IMAGE_OTHER": (Truncated, EmptyReply),
    "NO_IMAGE": (Truncated, EmptyReply),
    "PUP_LIMITED_DISABLED": (Truncated, EmptyReply),
    "CONTINUATION": (Truncated, EmptyReply),
}


def test_every_reason_of_the_library_is_in_the_table() -> None:
    """A new one must be thought about."""
    assert {reason.value for reason in types.FinishReason} == ENDS.keys()


@pytest.mark.parametrize(("reason", "ends"), ENDS.items())
async def test_every_way_to_finish(reason: str, ends: tuple[object, type[ModelError]]) -> None:
    with_text, without = ends

    pieces, stream, error = await heard(says(chunk("some"), chunk(finish=reason)))
    assert pieces == ["some"]
    assert (stream.finish_reason or type(error)) == with_text

    pieces, stream, error = await heard(says(chunk(finish=reason)))
    assert pieces == []
    assert (stream.finish_reason or type(error)) == without


@pytest.mark.parametrize("reason", ["BRAND_NEW", 7, {"x": 1}, ["STOP"]])
async def test_a_reason_that_nobody_knows_yet_ends_an_answer_all_the_same(reason: Any) -> None:
    """Its text was shown and is paid for; asked again, it would end the same way."""
    pieces, stream, error = await heard(says(chunk("whole"), chunk(finish=reason)))
    assert (pieces, stream.finish_reason, error) == (["whole"], "stop", None)

    _, _, error = await heard(says(chunk(finish=reason)))
    assert (type(error), str(error)) == (EmptyReply, "FINISH_REASON_UNSPECIFIED")


@pytest.mark.parametrize("reason", [reason.value for reason in types.BlockedReason])
async def test_every_way_to_block_a_prompt(reason: str) -> None:
    _, _, error = await heard(says({"promptFeedback": {"blockReason": reason}}))

    assert isinstance(error, ContentBlocked)


async def test_a_filtered_prompt_is_blocked() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "v", **usage(10)}

    pieces, stream, error = await heard(says(blocked))

    assert pieces == []
    assert isinstance(error, ContentBlocked)
    assert stream.usage == Usage(prompt=10, cached=0, candidates=0, thoughts=0)


@pytest.mark.parametrize("events", [[], [{}], [{"candidates": []}], [chunk("half")], [chunk("")]])
async def test_an_end_without_a_reason_is_truncated(events: list[dict[str, Any]]) -> None:
    _, _, error = await heard(says(*events))

    assert isinstance(error, Truncated)
