"""What a beat tells the database, and what it answers of each claim."""

import asyncio
from typing import Any

from tests.support.replies import ALIVE_SECONDS, CALL, claim_of, replies_of
from worker.claim import Claim
from worker.rows import ErrorCode


def beaten(held: bool, attempt: int = 1, cancel_requested: bool = False) -> dict[str, Any]:
    lost = [] if held else [{"message_id": "m", "attempt": attempt}]
    return {"alive": True, "workers": 3, "lost": lost, "cancel_requested": ["m"] if cancel_requested else []}


async def test_a_worker_says_that_it_lives_what_it_holds_and_which_models_it_asks() -> None:
    database, replies = replies_of(register_worker={"workers": 2}, beat=beaten(held=True))
    claim = claim_of()
    claim.model = "first"

    assert await replies.register("0.1.0", 50) == 2
    assert (await replies.beat([claim], 4, 12.5)).workers == 3
    await replies.beat([claim], 4, 0.0)
    claim.begin(2)
    claim.model = "second"
    await replies.beat([claim], 4, 0.0)

    me = {"worker_id": replies.worker_id, "alive_seconds": ALIVE_SECONDS}
    assert database.words("register_worker") == [{**me, "version": "0.1.0", "concurrency": 50}]
    assert database.words("beat") == [
        {
            **me,
            "claims_known": 4,
            "models_closed_seconds": 12.5,
            "held": ["m"],
            "attempts": [1],
            "asking": [{"message_id": "m", "attempt": 1, "model": "first"}],
        },
        # A call is named once.
        {**me, "claims_known": 4, "models_closed_seconds": None, "held": ["m"], "attempts": [1], "asking": []},
        {
            **me,
            "claims_known": 4,
            "models_closed_seconds": None,
            "held": ["m"],
            "attempts": [2],
            "asking": [{"message_id": "m", "attempt": 2, "model": "second"}],
        },
    ]


async def test_a_claim_that_is_held_lives_on_and_one_that_is_not_is_lost() -> None:
    claim = claim_of()
    _, replies = replies_of(beat=(beaten(held=True), beaten(held=False)))

    assert (await replies.beat([claim], 1, 0.0)).lost == []
    assert (await replies.beat([claim], 1, 0.0)).lost == [claim]
    assert not claim.cancel_requested.is_set()


async def test_a_stop_is_heard() -> None:
    claim = claim_of()
    _, replies = replies_of(beat=beaten(held=True, cancel_requested=True))

    await replies.beat([claim], 1, 0.0)

    assert claim.cancel_requested.is_set()


async def test_a_buried_worker_learns_it_and_begins_under_another_id() -> None:
    _, replies = replies_of(beat={"alive": False, "workers": 0, "lost": [], "cancel_requested": []})
    before = replies.worker_id

    assert not (await replies.beat([], 1, 0.0)).alive
    replies.begin_anew()

    assert replies.worker_id != before


async def test_an_attempt_that_is_just_being_ended_is_not_taken_for_lost() -> None:
    """The database has moved on to attempt 2; its word on attempt 1 overtakes the answer that says so."""
    database, replies = replies_of(beat=beaten(held=False), next_attempt=2)
    database.gates["next_attempt"] = asyncio.Event()
    claim = claim_of()
    moving = asyncio.create_task(replies.next_attempt(claim, ErrorCode.MODEL_OVERLOADED, CALL))
    await database.reached.wait()

    assert (await replies.beat([claim], 1, 0.0)).lost == []
    database.gates["next_attempt"].set()
    assert await moving
    assert (claim.attempt, claim.settling) == (2, False)


async def test_nor_is_one_whose_next_attempt_began_while_the_beat_was_under_way() -> None:
    database, replies = replies_of(beat=beaten(held=False))
    database.gates["beat"] = asyncio.Event()
    claim = claim_of()
    beating = asyncio.create_task(replies.beat([claim], 1, 0.0))
    await database.reached.wait()

    claim.begin(2)
    database.gates["beat"].set()

    assert (await beating).lost == []


def under_way() -> Claim:
    claim = claim_of()
    claim.text, claim.length, claim.saved, claim.model, claim.call = "🧑", 2, 1, "first", CALL
    claim.settling = True
    return claim


def test_another_attempt_starts_afresh() -> None:
    claim = under_way()

    claim.begin(2)

    assert (claim.attempt, claim.text, claim.length, claim.saved) == (2, "", 0, 0)
    assert (claim.model, claim.call, claim.settling) == (None, None, False)
