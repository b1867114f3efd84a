"""Drafts are saved, and the queue is looked over."""

import pytest
from structlog.testing import capture_logs

from tests.support.running import FakeAnswerer, FakeReplies, claim_of, running, turns
from tests.support.samples import sample
from worker import runner as runner_module


async def test_drafts_are_saved_as_the_answer_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "DRAFT_SECONDS", 0.01)
    claim = claim_of("m1")
    replies, answerer = FakeReplies(claim), FakeAnswerer()
    async with running(replies, answerer):
        await answerer.until(lambda: answerer.begun)
        claim.text = "x" * 600
        await replies.until(lambda: replies.drafts)

    assert replies.drafts[0] == ["m1"]


async def test_what_the_reconciler_finds_is_told_and_it_goes_on_while_there_is_more() -> None:
    before = sample("postbro_queue_mended_total")
    replies = FakeReplies()
    replies.found = [
        {"mended": 20, "ended": 0, "more": True},
        {"mended": 1, "ended": 3, "more": False},
        {"mended": 99, "ended": 99, "more": True},
    ]
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until(lambda: replies.events.count("reconcile") == 2)
            await turns()
            assert replies.events.count("reconcile") == 2

    assert sample("postbro_queue_mended_total") == before + 21
    told = [(line["action"], line["count"]) for line in lines if "count" in line]
    assert told == [("mended", 20), ("mended", 1), ("waited_too_long", 3)]
