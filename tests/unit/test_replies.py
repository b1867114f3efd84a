"""What a worker believes of its claims, against a database that answers as scripted."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from postgrest.exceptions import APIError

from worker.errors import DatabaseAway
from worker.models import Call, Reply
from worker.replies import Claim, Replies

CALL = Call(model_requested="model", prompt_version="chat-1")


class ScriptedDatabase:
    """Answers each function with what stands under its name; next_attempt only when it may."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.words: dict[str, dict[str, Any]] = {}
        self.may_answer = asyncio.Event()
        self.asked = asyncio.Event()

    def rpc(self, function: str, words: dict[str, Any]) -> Any:
        self.words[function] = words

        async def execute() -> Any:
            if function == "next_attempt":
                self.asked.set()
                await self.may_answer.wait()
            return SimpleNamespace(data=self.answers[function])

        return SimpleNamespace(execute=execute)


def claim_of(message_id: str) -> Claim:
    reply = Reply(message_id, "session", 1, 1, 3, "Why?", [], [], [])
    return Claim(reply, attempt=1, tries_left=3, lease_until=time.monotonic())


def lease(held: bool) -> list[dict[str, Any]]:
    return [{"message_id": "m", "attempt": 1, "held": held, "cancel_requested": False}]


class Gateway:
    """Refuses in front of the database: its errors have no SQLSTATE."""

    def rpc(self, function: str, words: dict[str, Any]) -> Any:
        async def execute() -> Any:
            raise APIError({"message": "Unregistered API key"})

        return SimpleNamespace(execute=execute)


async def test_a_refusal_without_a_code_is_told_as_such_and_without_its_words() -> None:
    with pytest.raises(DatabaseAway) as refused:
        await Replies(Gateway(), 15).claim(1)
    assert str(refused.value) == "claim_replies: refused without a code (is the key of this project?)"


async def test_a_lease_that_is_not_held_is_lost() -> None:
    claim = claim_of("m")
    assert await Replies(ScriptedDatabase(renew_leases=lease(held=False)), 15).renew([claim]) == [claim]


async def test_a_lease_that_is_held_lives_on() -> None:
    claim = claim_of("m")
    before = claim.lease_until
    assert await Replies(ScriptedDatabase(renew_leases=lease(held=True)), 15).renew([claim]) == []
    assert claim.lease_until > before + 10


async def test_an_attempt_that_is_just_being_ended_is_not_taken_for_lost() -> None:
    """The database has moved on to attempt 2; its word on attempt 1 overtakes the answer that says so."""
    database = ScriptedDatabase(renew_leases=lease(held=False), next_attempt=2)
    replies, claim = Replies(database, 15), claim_of("m")
    moving = asyncio.create_task(replies.next_attempt(claim, "model_overloaded", CALL))
    await database.asked.wait()

    assert await replies.renew([claim]) == []
    database.may_answer.set()
    assert await moving
    assert (claim.attempt, claim.tries_left, claim.settling) == (2, 2, False)


async def test_the_ledger_is_told_which_model_is_asked() -> None:
    database = ScriptedDatabase(renew_leases=lease(held=True))
    claim = claim_of("m")
    claim.model = "first"
    await Replies(database, 15).renew([claim])

    assert database.words["renew_leases"]["held"] == [{"message_id": "m", "attempt": 1, "model": "first"}]
    claim.begin(2)
    assert claim.model is None


async def test_what_a_gateway_says_in_the_place_of_the_api_is_no_answer() -> None:
    """postgrest-py hands on a 200 that is not JSON as text."""
    replies = Replies(ScriptedDatabase(claim_replies="<html>Please sign in</html>"), 15)
    with pytest.raises(DatabaseAway, match="claim_replies: an answer that is not JSON"):
        await replies.claim(1)


@pytest.mark.parametrize("answer", [None, [], {}, {"pending": 1}, "<html>"])
async def test_a_strange_word_on_the_queue_costs_a_figure_and_not_the_worker(answer: Any) -> None:
    with pytest.raises(DatabaseAway, match="ops_queue"):
        await Replies(ScriptedDatabase(ops_queue=answer), 15).queue()
