"""Answers that end by a defect, an outage or a refusal: the place is free, and the reply ends."""

from structlog.testing import capture_logs

from tests.support.running import FakeAnswerer, FakeReplies, claim_of, running
from tests.support.samples import sample
from worker.errors import DatabaseAway, DatabaseRefused
from worker.rows import Call


async def test_a_place_is_free_again_after_a_failure() -> None:
    replies, answerer = FakeReplies(claim_of("m1"), claim_of("m2")), FakeAnswerer()
    answerer.error = ValueError("sentinel")
    answerer.may_end.set()
    with capture_logs() as lines:
        async with running(replies, answerer, worker_concurrency=1):
            await answerer.until(lambda: answerer.begun == ["m1", "m2"])

    dropped = [line for line in lines if line["action"] == "reply_dropped"]
    assert [(line["message_id"], line["error"]) for line in dropped] == [
        ("m1", "ValueError"),
        ("m2", "ValueError"),
    ]
    assert "sentinel" not in str(lines)
    assert [failed[:3] for failed in replies.failed] == [("m1", "internal", None), ("m2", "internal", None)]


async def test_a_defect_in_an_answer_is_counted_as_dropped_and_its_call_is_told() -> None:
    before, claim = sample("postbro_replies_total", outcome="dropped"), claim_of("m1")
    claim.call = Call("chat-1", "first", prompt_tokens=7)
    replies, answerer = FakeReplies(claim), FakeAnswerer()
    answerer.error = ValueError("x")
    answerer.may_end.set()
    async with running(replies, answerer):
        await answerer.until(lambda: answerer.begun and not answerer.under_way)

    assert sample("postbro_replies_total", outcome="dropped") == before + 1
    assert replies.failed[0][3].prompt_tokens == 7


async def test_an_outage_longer_than_any_answer_is_offered_fails_no_question() -> None:
    """It is not held any more, so the next beat that comes through gives it back."""
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    answerer.error = DatabaseAway("complete_reply: PGRST002")
    answerer.may_end.set()
    with capture_logs() as lines:
        async with running(replies, answerer):
            await answerer.until(lambda: answerer.begun and not answerer.under_way)

    assert replies.failed == []
    [line] = [line for line in lines if line["action"] == "answer_given_up"]
    assert (line["message_id"], line["reason"]) == ("m1", "complete_reply: PGRST002")


async def test_what_was_refused_is_failed_without_the_figures_that_may_be_the_reason() -> None:
    claim = claim_of("m1")
    claim.call = Call("chat-1", "first", prompt_tokens=7)
    replies, answerer = FakeReplies(claim), FakeAnswerer()
    answerer.error = DatabaseRefused("next_attempt: 22003", "22003")
    answerer.may_end.set()
    async with running(replies, answerer):
        await answerer.until(lambda: answerer.begun and not answerer.under_way)

    [(_, code, retry_in, call)] = replies.failed
    assert (code, retry_in, call) == ("internal", None, Call("chat-1", "first"))
