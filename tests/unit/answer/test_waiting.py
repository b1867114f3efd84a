"""No model may be asked: a short wait in the claim, a long one in the queue."""

import pytest
from structlog.testing import capture_logs

from tests.support.answering import FakeReplies, asked_in_order, claimed, closed_for, told
from tests.support.calls import fail
from tests.support.fake_provider import FakeStream
from worker.errors import DatabaseAway
from worker.model.admission import Admission
from worker.model.breakers import OPEN_SECONDS
from worker.network.jitter import JITTER


async def test_when_no_model_may_be_asked_for_long_it_is_given_back_uncounted() -> None:
    admission = Admission(["first", "second"])
    fail(admission, "first")
    fail(admission, "second")
    claim = claimed(calls_left=1)

    provider, replies, _ = await told(admission=admission, claim=claim)

    assert provider.asked == []
    [(verb, due_in)] = replies.settled
    assert verb == "give_back"
    assert 0.9 * OPEN_SECONDS < due_in <= OPEN_SECONDS * (1 + JITTER) ** 2
    assert (claim.calls_left, claim.model) == (1, None)


async def test_a_short_wait_for_the_model_is_spent_in_the_claim() -> None:
    provider, replies, _ = await told(FakeStream("x"), admission=closed_for(0.05))

    assert asked_in_order(provider) == ["first"]
    assert replies.settled == [("complete", "x", "stop")]


@pytest.mark.parametrize(("closed", "deadline"), [(5.1, 60.0), (0.5, 0.4)])
async def test_a_wait_over_five_seconds_or_past_the_deadline_is_spent_in_the_queue(
    closed: float, deadline: float
) -> None:
    provider, replies, _ = await told(admission=closed_for(closed), deadline=deadline)

    assert provider.asked == []
    [(verb, due_in)] = replies.settled
    assert (verb, due_in >= 0.9 * closed) == ("give_back", True)


async def test_one_that_cannot_be_given_back_is_left_to_the_next_beat() -> None:
    replies = FakeReplies()
    replies.give_back_error = DatabaseAway("give_back: ConnectError")
    admission = closed_for(60.0)

    with capture_logs() as lines:
        await told(admission=admission, replies=replies)

    assert [line["action"] for line in lines] == ["given_back", "give_back_failed"]
