"""The release at the end: again while something is locked, and not for ever."""

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.support.running import FakeAnswerer, FakeReplies, running
from worker import runner as runner_module
from worker.errors import DatabaseAway, DatabaseError, DatabaseRefused


async def test_what_is_locked_just_now_is_released_later() -> None:
    replies = FakeReplies()
    replies.left = [3, 2, 0]
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)

    assert replies.released == 3
    assert (lines[-1]["action"], lines[-1]["released"]) == ("stopped", 3)


async def test_and_not_for_ever() -> None:
    replies = FakeReplies()
    replies.left = [1]
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)

    assert replies.released > 1
    assert (lines[-1]["action"], lines[-1]["reason"]) == ("release_failed", "locked by somebody else")


@pytest.mark.parametrize(
    ("error", "is_asked_again"),
    [(DatabaseAway("release_replies: 55P03"), True), (DatabaseRefused("release_replies: 42883", "42883"), False)],
)
async def test_a_release_that_fails_does_not_keep_it_from_stopping(
    error: DatabaseError, is_asked_again: bool
) -> None:
    replies = FakeReplies()
    replies.release_error = error
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)

    assert (replies.released > 1) is is_asked_again
    assert (lines[-1]["action"], lines[-1]["reason"]) == ("release_failed", str(error))


async def test_a_release_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    replies = FakeReplies()
    monkeypatch.setattr(replies, "release", asyncio.Event().wait)
    with capture_logs() as lines:
        async with running(replies, FakeAnswerer()):
            await replies.until_asked(1)

    assert (lines[-1]["action"], lines[-1]["reason"]) == ("release_failed", "no answer in time")


async def test_after_the_release_it_shows_no_more_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A beat would find the worker gone, and register another for nothing."""
    monkeypatch.setattr(runner_module, "RELEASE_PAUSE_SECONDS", 0.05)
    replies = FakeReplies()
    replies.freed, replies.left = 0, [1, 1, 0]
    async with running(replies, FakeAnswerer()):
        await replies.until_beaten()

    first = replies.events.index("release")
    assert replies.events[first:] == ["release"] * 3
