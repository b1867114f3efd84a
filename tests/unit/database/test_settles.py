"""An answer is offered until it is stored or refused; what is given back and released."""

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.support.replies import CALL, claim_of, refuses, replies_of
from worker.database import offers
from worker.errors import DatabaseAway, DatabaseRefused
from worker.rows import ErrorCode, FinishReason

PAUSE = offers.pause


async def test_an_answer_is_offered_until_the_api_is_back() -> None:
    outage = (httpx.ConnectError("x"), refuses("55P03"), refuses("PGRST003"), KeyError("x"), True)
    database, replies = replies_of(complete_reply=outage)
    claim = claim_of()
    claim.text = "Because."

    assert await replies.complete(claim, FinishReason.STOP, CALL)

    assert len(database.asked) == 5
    assert all(asked == database.asked[0] for asked in database.asked)
    words = database.words("complete_reply")[0]
    assert (words["worker_id"], words["message_id"], words["attempt"]) == ("w1", "m", 1)
    assert (words["content"], words["finish_reason"]) == ("Because.", "stop")
    # The chat may be deleted by then: what was spent is noted all the same.
    assert words["call"]["prompt_tokens"] == 7
    assert (words["call"]["session_id"], words["call"]["user_id"]) == ("session", "user")


async def test_what_is_refused_for_a_reason_that_is_not_the_answers_is_offered_again() -> None:
    """A function that is just being replaced, perhaps."""
    database, replies = replies_of(complete_reply=(refuses("PGRST202"), refuses("42883"), True))

    assert await replies.complete(claim_of(), FinishReason.STOP, CALL)
    assert len(database.asked) == 3


@pytest.mark.parametrize("error", [refuses("PGRST202"), httpx.ConnectError("x"), refuses("PGRST303")])
async def test_but_not_for_ever(error: Exception) -> None:
    database, replies = replies_of(complete_reply=error, offer_seconds=0.05)

    with pytest.raises((DatabaseAway, DatabaseRefused)):
        await asyncio.wait_for(replies.complete(claim_of(), FinishReason.STOP, CALL), 5)
    assert len(database.asked) > 1


async def test_nor_unseen() -> None:
    """Fewer and fewer lines, or an outage with fifty answers fills the log."""
    _, replies = replies_of(complete_reply=(*[httpx.ConnectError("sentinel")] * 100, True))

    with capture_logs() as lines:
        assert await replies.complete(claim_of(), FinishReason.STOP, CALL)

    assert [line["offers"] for line in lines] == [1, 2, 4, 8, 16, 32, 64]
    assert {line["action"] for line in lines} == {"offered_again"}
    assert {line["reason"] for line in lines} == {"complete_reply: ConnectError"}
    assert lines[0]["message_id"] == "m"


NOT_A_SETTLE = [{}, [], 7.5, "true", {"ok": True}, [True], 1e400]


@pytest.mark.parametrize("answer", [*NOT_A_SETTLE, None, 1, 0])
async def test_an_answer_is_not_stored_because_somebody_says_something(answer: Any) -> None:
    """Nor is a claim lost by it: a gateway may answer 200 to everything."""
    database, replies = replies_of(complete_reply=(answer, True), fail_reply=(answer, True))

    assert await replies.complete(claim_of(), FinishReason.STOP, CALL)
    assert await replies.fail(claim_of(), ErrorCode.TRUNCATED, 1.0, CALL)
    assert len(database.asked) == 4


@pytest.mark.parametrize("answer", [*NOT_A_SETTLE, True, False])
async def test_nor_does_an_attempt_begin(answer: Any) -> None:
    database, replies = replies_of(next_attempt=(answer, 2))
    claim = claim_of()

    assert await replies.next_attempt(claim, ErrorCode.TRUNCATED, CALL)
    assert (claim.attempt, len(database.asked)) == (2, 2)


@pytest.mark.parametrize("code", ["22003", "22P05", "23514"])
async def test_what_is_refused_for_its_content_is_told_at_once(code: str) -> None:
    database, replies = replies_of(complete_reply=(refuses(code), True))

    with pytest.raises(DatabaseRefused):
        await replies.complete(claim_of(), FinishReason.STOP, CALL)
    assert len(database.asked) == 1


def state_after(error: Exception, number: int = 1) -> Any:
    return SimpleNamespace(outcome=SimpleNamespace(exception=lambda: error), attempt_number=number)


def test_between_two_offers_it_rests_as_long_as_the_api_wishes() -> None:
    assert 7 <= PAUSE(state_after(DatabaseAway("x", 7.0))) <= 10


@pytest.mark.parametrize("number", [1, 4, 100])
@pytest.mark.parametrize("wish", [None, 7.0])
def test_and_what_waits_for_the_same_does_not_come_back_together(number: int, wish: float | None) -> None:
    pauses = {PAUSE(state_after(DatabaseAway("x", wish), number)) for _ in range(50)}
    assert len(pauses) == 50
    assert max(pauses) - min(pauses) > 0.1
    assert max(pauses) <= max(offers.LONGEST_PAUSE_SECONDS, 10)


@pytest.mark.parametrize("is_held", [True, False])
async def test_whether_the_claim_was_still_held(is_held: bool) -> None:
    database, replies = replies_of(complete_reply=is_held, fail_reply=is_held, next_attempt=2 if is_held else None)

    assert await replies.complete(claim_of(), FinishReason.STOP, CALL) is is_held
    assert await replies.fail(claim_of(), ErrorCode.TRUNCATED, 2.5, CALL) is is_held
    assert await replies.next_attempt(claim_of(), ErrorCode.TRUNCATED, CALL) is is_held
    [words] = database.words("fail_reply")
    assert (words["error_code"], words["retry_in"]) == ("truncated", 2.5)


async def test_a_claim_is_given_back() -> None:
    database, replies = replies_of(give_back=1)
    claim = claim_of()

    await replies.give_back(claim, 2.5)

    assert database.words("give_back") == [
        {"worker_id": "w1", "replies": [{"message_id": "m", "attempt": 1}], "due_in": 2.5}
    ]
    assert claim.settling, "a beat under way does not take it for lost"


async def test_a_release_says_what_is_left() -> None:
    _, replies = replies_of(release_replies={"released": 20, "left": 3})
    assert await replies.release() == (20, 3)


@pytest.mark.parametrize(("answer", "wanted"), [(None, None), ({"mended": 1}, {"mended": 1}), ([], None)])
async def test_the_reconciler(answer: Any, wanted: Any) -> None:
    database, replies = replies_of(reconcile_replies=answer)
    assert await replies.reconcile(600.0, 60.0) == wanted
    assert database.words("reconcile_replies") == [{"max_wait_seconds": 600.0, "every_seconds": 60.0}]
