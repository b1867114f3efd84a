"""Claims that fail: an API that is away, and one that refuses."""

import itertools

import pytest
from structlog.testing import capture_logs

from tests.support.running import FakeAnswerer, FakeReplies, claim_of, running, turns
from tests.support.samples import causes, sample
from worker.errors import DatabaseAway, DatabaseRefused


async def test_an_api_that_is_away_is_asked_again_and_told_once() -> None:
    replies, answerer = FakeReplies(), FakeAnswerer()
    with capture_logs() as lines:
        async with running(replies, answerer) as worker:
            await replies.until_asked(1)
            replies.claim_error = DatabaseAway("claim_replies: ConnectError")
            worker.wakeup.event.set()
            await replies.until_asked(5)
            assert (worker.runner.api_answers, worker.runner.api_refuses) == (False, None)
            replies.claim_error = None
            replies.waiting.append(claim_of("m1"))
            await answerer.until(lambda: answerer.begun == ["m1"])
            assert worker.runner.api_answers

    assert [line["action"] for line in lines if line["log_level"] == "warning"] == ["claim_failed"]


async def test_an_api_that_has_never_answered_a_claim_is_told_too() -> None:
    replies = FakeReplies()
    replies.claim_error = DatabaseAway("claim_replies: ConnectError")
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(3)

    assert [line["action"] for line in lines if line["log_level"] == "warning"] == ["claim_failed"]


async def test_so_is_one_that_answered_no_beat_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease has said already that it is away; that the claim fails is news all the same."""
    replies = FakeReplies()
    replies.register_error = DatabaseAway("register_worker: ConnectError")
    replies.claim_error = DatabaseAway("claim_replies: 57014")
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until(lambda: replies.events.count("register") >= 2)
            replies.register_error = None
            await replies.until_asked(2)

    actions = [line["action"] for line in lines if line["log_level"] == "warning"]
    assert actions == ["api_away", "claim_failed"]


async def test_a_claim_that_is_refused_is_a_defect_and_no_outage() -> None:
    def refused() -> float:
        return sum(number for (_, found), number in causes().items() if found == "refused")

    before = refused()
    replies = FakeReplies()
    replies.claim_error = DatabaseRefused("claim_replies: PGRST202", "PGRST202")
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()) as worker:
            await replies.until_asked(3)
            await turns()
            assert (worker.runner.api_answers, worker.runner.api_refuses) == (False, "PGRST202")
            assert refused() == before + 3
            replies.claim_error = DatabaseAway("claim_replies: 57014")
            await replies.until_asked(4)
            await turns()
            assert worker.runner.api_refuses is None

    actions = [line["action"] for line in lines if line["log_level"] == "warning"]
    assert actions == ["claim_refused", "claim_failed"]


def gaps(moments: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(moments)]


async def test_after_a_failed_claim_it_backs_off_by_the_clock_whatever_it_hears() -> None:
    replies = FakeReplies()
    async with running(replies, FakeAnswerer()) as worker:

        async def all_the_time() -> None:
            worker.wakeup.hear()

        replies.claim_error, replies.on_claim = DatabaseAway("claim_replies: ReadTimeout"), all_the_time
        await replies.until_asked(6)
        replies.claim_error = replies.on_claim = None

    for number, gap in enumerate(gaps(replies.asked_at)[:5]):
        assert gap >= 0.7 * 0.01 * 2**number


async def test_it_waits_as_long_as_the_api_wishes() -> None:
    replies = FakeReplies()
    replies.claim_error = DatabaseAway("claim_replies: HTTP 429 without a code", retry_after=0.3)
    async with running(replies, FakeAnswerer()):
        await replies.until_asked(2)

    assert gaps(replies.asked_at)[0] >= 0.3


async def test_it_stops_while_it_backs_off() -> None:
    replies = FakeReplies()
    replies.claim_error = DatabaseAway("claim_replies: HTTP 429 without a code", retry_after=60.0)
    async with running(replies, FakeAnswerer()):
        await replies.until_asked(1)


async def test_rows_that_raise_are_counted_and_told() -> None:
    before = sample("postbro_refused_rows_total", fate="left")
    replies = FakeReplies()
    replies.refused = {"left": 2}
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)
            await turns()
            assert sample("postbro_refused_rows_total", fate="left") == before + 2

    assert [(line["fate"], line["count"]) for line in lines if line["action"] == "row_refused"] == [("left", 2)]
