"""An answer that the database refuses."""

import pytest

from tests.support.answering import FakeReplies, told
from tests.support.costs import USED
from tests.support.fake_provider import FakeStream
from worker.errors import DatabaseRefused


async def test_an_answer_refused_for_a_figure_is_offered_once_more_without_any() -> None:
    _, replies, _ = await told(FakeStream("x", usage=USED), replies=FakeReplies(refusals=["22003"]))

    assert replies.settled == [("complete", "x", "stop")]
    [call] = replies.calls
    assert (call.model_requested, call.prompt_tokens, call.latency_ms) == ("first", None, None)


async def test_an_answer_refused_twice_for_its_content_fails() -> None:
    _, replies, _ = await told(FakeStream("x", usage=USED), replies=FakeReplies(refusals=["22003", "23514"]))

    assert replies.settled == [("fail", "internal", None)]
    assert replies.calls[0].prompt_tokens is None


async def test_an_answer_refused_for_another_reason_is_not_failed_at_once() -> None:
    """Replies has offered it for long by then; what becomes of it is the runner's to say."""
    replies = FakeReplies(refusals=["PGRST202"])

    with pytest.raises(DatabaseRefused):
        await told(FakeStream("x"), replies=replies)

    assert replies.settled == []
