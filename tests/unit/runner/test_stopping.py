"""A worker that stops lets answers finish, for a while, and what it holds is released."""

import asyncio
from typing import cast

import pytest

from tests.support.running import BOUND, FakeAnswerer, FakeReplies, claim_of, runner_of, running, settings_of, turns
from worker import runner as runner_module
from worker.answer import Answerer
from worker.answering import Answering
from worker.database.replies import Replies
from worker.lease import Lease
from worker.realtime.wakeup import WakeUp
from worker.rows import Call


async def test_stopping_lets_finish_and_releases() -> None:
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await answerer.until(lambda: answerer.begun)
        worker.runner.stop()
        replies.waiting.append(claim_of("m2"))
        await asyncio.sleep(0.02)
        assert replies.released == 0
        answerer.may_end.set()
        await asyncio.wait_for(asyncio.shield(worker.task), BOUND)

    assert (answerer.begun, answerer.ended, replies.released) == (["m1"], ["m1"], 1)


async def test_what_outlives_the_grace_period_is_cancelled_and_released() -> None:
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    async with running(replies, answerer, shutdown_grace_seconds=0.01) as worker:
        await answerer.until(lambda: answerer.begun)
        worker.runner.stop()
        await asyncio.wait_for(asyncio.shield(worker.task), BOUND)
        assert answerer.cancelled == ["m1"]

    assert replies.released == 1


async def test_a_claim_that_hangs_does_not_keep_it_from_stopping() -> None:
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await answerer.until(lambda: answerer.begun)
        hangs = asyncio.Event()

        async def hang() -> None:
            hangs.set()
            await asyncio.Event().wait()

        replies.on_claim = hang
        replies.waiting.append(claim_of("m2"))
        worker.wakeup.hear()
        await asyncio.wait_for(hangs.wait(), BOUND)
        worker.runner.stop()
        answerer.may_end.set()
        await asyncio.wait_for(asyncio.shield(worker.task), BOUND)

    # What it may have brought goes back: the last beats know of this claim, and hold nothing of it.
    assert (answerer.ended, replies.released) == (["m1"], 1)


async def test_the_calls_of_what_is_cut_off_are_closed_when_their_claims_are_released() -> None:
    """Before, they would count as failed calls of questions that are asked again."""
    asked, unasked = claim_of("asked"), claim_of("unasked")
    asked.call, unasked.call = Call("v1", "a-model"), Call("v1")
    replies, answerer = FakeReplies(asked, unasked), FakeAnswerer()
    async with running(replies, answerer, shutdown_grace_seconds=0.01) as worker:
        await answerer.until(lambda: len(answerer.begun) == 2)
        worker.runner.stop()
        await asyncio.wait_for(asyncio.shield(worker.task), BOUND)

    assert [(name, call) for name, _, _, call in replies.failed] == [("asked", asked.call)]
    assert replies.events.index("release") < replies.events.index("fail")


async def test_the_call_of_a_claim_that_was_lost_and_cut_off_is_closed_once() -> None:
    claim = claim_of("m1")
    claim.call = Call("v1", "a-model")
    replies, answerer = FakeReplies(), FakeAnswerer()
    answering = Answering(cast(Replies, replies), cast(Answerer, answerer), BOUND, lambda: None)
    answering.start(claim, cast(Lease, None))
    await answerer.until(lambda: answerer.begun)

    answering.give_up([claim])
    await answering.drain(0.0)
    await answering.close_calls()

    assert [(name, call) for name, _, _, call in replies.failed] == [("m1", claim.call)]


async def test_leases_are_kept_while_it_drains() -> None:
    lost = claim_of("m1")
    replies, answerer = FakeReplies(lost), FakeAnswerer()
    async with running(replies, answerer) as worker:
        await answerer.until(lambda: answerer.begun)
        worker.runner.stop()
        replies.lost = [lost]
        await asyncio.wait_for(asyncio.shield(worker.task), BOUND)

    assert answerer.cancelled == ["m1"]
    assert replies.released == 1


@pytest.mark.parametrize("error", [ValueError("sentinel"), asyncio.CancelledError()])
async def test_a_worker_that_dies_releases_first(error: Exception | asyncio.CancelledError) -> None:
    replies, answerer = FakeReplies(claim_of("m1")), FakeAnswerer()
    wakeup = WakeUp(settings_of())
    runner = runner_of(settings_of(), replies, wakeup, answerer)
    task = asyncio.create_task(runner.run())
    await answerer.until(lambda: answerer.begun)
    await turns()
    if isinstance(error, asyncio.CancelledError):
        task.cancel()
    else:
        replies.claim_error = error
        wakeup.hear()
    with pytest.raises(type(error)):
        await asyncio.wait_for(task, BOUND)

    assert answerer.cancelled == ["m1"]
    assert replies.events[-1] == "release"


async def test_so_does_one_whose_upkeep_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of its tasks may end unseen: a worker that shows no life loses what it answers."""

    async def dies(name: str, *_: object, **__: object) -> None:
        if name == "beat":
            raise ValueError("sentinel")
        await asyncio.Event().wait()

    monkeypatch.setattr(runner_module, "repeat", dies)
    replies = FakeReplies()
    runner = runner_of(settings_of(), replies, WakeUp(settings_of()), FakeAnswerer())
    with pytest.raises(ValueError, match="sentinel"):
        await asyncio.wait_for(runner.run(), BOUND)

    assert replies.released == 1
