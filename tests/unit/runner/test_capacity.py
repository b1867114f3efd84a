"""How much is claimed: what there are places for, and what the models may be asked."""

import asyncio

from tests.support.running import FakeAdmission, FakeAnswerer, FakeReplies, claim_of, running, turns
from tests.support.samples import causes


async def test_capacity_is_respected_and_a_free_place_is_filled_at_once() -> None:
    replies, answerer = FakeReplies(*(claim_of(f"m{n}") for n in range(7))), FakeAnswerer()
    async with running(replies, answerer, worker_concurrency=3) as worker:
        await answerer.until(lambda: len(answerer.begun) == 3)
        worker.wakeup.event.set()
        await asyncio.sleep(0.02)  # were it claiming beyond its places, it would by now
        assert replies.asked == [3]
        answerer.may_end.set()
        await answerer.until(lambda: len(answerer.ended) == 7)

    assert answerer.most_under_way == 3
    assert all(0 < asked <= 3 for asked in replies.asked)


async def test_while_no_model_may_be_asked_nothing_is_claimed() -> None:
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    admission = FakeAdmission(free=0)
    async with running(replies, answerer, admission=admission) as worker:
        await replies.until_beaten()
        for _ in range(3):
            worker.wakeup.hear()
            await turns()
        assert replies.asked == []
        admission.free = 1
        worker.wakeup.hear()
        await answerer.until(lambda: answerer.begun == ["m1"])


async def test_and_as_soon_as_one_may_be_it_claims() -> None:
    before = causes().get(("admission", "work"), 0)
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    admission = FakeAdmission(free=0, seconds=0.02)
    async with running(replies, answerer, admission=admission):
        await replies.until_beaten()
        admission.free = 1
        await answerer.until(lambda: answerer.begun == ["m1"])

    assert causes()["admission", "work"] == before + 1


async def test_it_claims_no_more_than_may_be_asked() -> None:
    replies = FakeReplies()
    async with running(replies, FakeAnswerer(), admission=FakeAdmission(free=3), worker_concurrency=10):
        await replies.until_asked(1)

    assert replies.asked[0] == 3


async def test_after_a_full_hand_more_follows_at_once() -> None:
    more = causes().get(("more", "work"), 0)
    replies, answerer = FakeReplies(*(claim_of(f"m{n}") for n in range(45))), FakeAnswerer()
    async with running(replies, answerer, worker_concurrency=50):
        await answerer.until(lambda: len(answerer.begun) == 45)
        assert replies.asked == [20, 20, 10]

    assert causes()["more", "work"] == more + 2


async def test_also_where_a_row_of_it_could_not_be_read() -> None:
    """The hand was full, although less is held: others are due, and no wake-up will tell of them."""
    replies, answerer = FakeReplies(), FakeAnswerer()
    replies.unreadable = 1
    async with running(replies, answerer, worker_concurrency=1):
        await replies.until_asked(2)
