"""A worker registers, is buried and registers again; and the claims that the database has heard of."""

from types import SimpleNamespace

from structlog.testing import capture_logs

from tests.support.running import FakeAnswerer, FakeReplies, claim_of, running, turns
from worker.errors import DatabaseAway, DatabaseRefused


async def test_it_registers_before_the_first_claim() -> None:
    replies = FakeReplies()
    async with running(replies, FakeAnswerer()):
        await replies.until_asked(1)

    assert [event for event in replies.events if event != "reconcile"][:2] == ["register", "claim"]
    assert replies.numbers[0] == 1


async def test_without_a_registration_nothing_is_claimed_and_with_it_at_once() -> None:
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    replies.register_error = DatabaseAway("register_worker: ConnectError")
    async with running(replies, answerer) as worker:
        await replies.until(lambda: replies.events.count("register") >= 2)
        worker.wakeup.hear()
        await turns()
        assert replies.asked == []
        assert (worker.runner.api_answers, worker.runner.api_refuses) == (False, None)
        replies.register_error = None
        await answerer.until(lambda: answerer.begun == ["m1"])
        assert worker.runner.api_answers


async def test_a_registration_that_is_refused_is_no_outage() -> None:
    """The migrations are missing: the network is the wrong place to look."""
    replies = FakeReplies()
    replies.register_error = DatabaseRefused("register_worker: PGRST202", "PGRST202")
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()) as worker:
            await replies.until(lambda: replies.events.count("register") >= 2)
            worker.wakeup.hear()
            await turns()
            assert (worker.runner.api_answers, worker.runner.api_refuses) == (False, "PGRST202")

    assert [line["action"] for line in lines if line["log_level"] == "warning"][:1] == ["task_refused"]


async def test_a_buried_worker_gives_all_up_and_claims_under_a_fresh_id() -> None:
    replies, answerer = FakeReplies(claim_of("m1"), claim_of("m2")), FakeAnswerer()
    async with running(replies, answerer):
        await answerer.until(lambda: len(answerer.begun) == 2)
        asked = len(replies.asked)
        replies.is_alive = False
        await answerer.until(lambda: len(answerer.cancelled) == 2)
        await replies.until_asked(asked + 1)

    assert answerer.ended == []
    assert replies.worker_id == "w1'"
    assert replies.events.count("register") == 2
    assert replies.numbers[asked] == 1


async def test_a_claim_of_a_worker_that_is_not_known_is_made_again_after_the_next_beat() -> None:
    """The database has not heard it for a moment: that beat says it lives, or that it was buried."""
    replies, answerer = FakeReplies(), FakeAnswerer()
    replies.is_known = False
    async with running(replies, answerer):
        await replies.until_asked(1)
        replies.is_known = True
        replies.waiting.append(claim_of("m1"))
        await answerer.until(lambda: answerer.begun == ["m1"])


async def test_a_claim_is_known_only_when_what_it_brought_is_held() -> None:
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()

    async def beats_go_on() -> None:
        replies.on_claim = None
        await replies.until_beaten(2)

    replies.on_claim = beats_go_on
    async with running(replies, answerer):
        await replies.until_beaten(2)
        await answerer.until(lambda: answerer.begun)
        await replies.until_beaten()
        assert replies.beats[0].known == 0
        assert replies.beats[-1] == SimpleNamespace(held=["m1"], known=len(replies.asked))
        assert all("m1" in beat.held for beat in replies.beats if beat.known)


async def test_a_claim_whose_answer_is_lost_is_named_as_known_and_so_goes_back() -> None:
    replies = FakeReplies()
    replies.claim_error = DatabaseAway("claim_replies: ReadTimeout", retry_after=60.0)
    async with running(replies, FakeAnswerer()):
        await replies.until_asked(1)
        await replies.until(lambda: replies.beats and replies.beats[-1].known == 1)

    assert replies.beats[-1].held == []
