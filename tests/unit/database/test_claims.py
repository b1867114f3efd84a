"""What a claim brings."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.support.replies import refuses, replies_of


def row_of(message_id: str = "m", **changes: Any) -> dict[str, Any]:
    context = {"question": "Why?", "history": [{"role": "user", "content": "Hi"}], "posts": [{}], "analyses": [{}]}
    return {
        "message_id": message_id,
        "session_id": "session",
        "user_id": "user",
        "attempt": 3,
        "version": 2,
        "calls_left": 4,
        "waiting_ms": 1500,
        "context": json.dumps(context),
    } | changes


def claimed(*rows: Any, **changes: Any) -> dict[str, Any]:
    return {"alive": True, "replies": list(rows), "next_due_in_ms": None, "refused": {}} | changes


async def test_a_claim_is_read() -> None:
    database, replies = replies_of(claim_replies=claimed(row_of(), next_due_in_ms=250, refused={"settled": 2}))

    found = await replies.claim(7, 5)

    assert database.words("claim_replies") == [{"worker_id": replies.worker_id, "claim": 7, "max_replies": 5}]
    [claim] = found.claims
    assert (claim.message_id, claim.attempt, claim.calls_left) == ("m", 3, 4)
    assert claim.worker_id == replies.worker_id
    assert (claim.reply.question, claim.reply.history[0].content, claim.reply.waiting_ms) == ("Why?", "Hi", 1500)
    assert (found.next_due_seconds, found.alive, found.refused, found.unreadable) == (0.25, True, {"settled": 2}, 0)


async def test_a_schema_that_is_newer_is_read() -> None:
    """The release before must work with it, so what it does not know it leaves."""
    context = json.loads(row_of()["context"]) | {"citations": []}
    context["history"][0]["turn"] = 1
    row = row_of(context=json.dumps(context), priority=3)
    _, replies = replies_of(claim_replies=claimed(row, tomorrow=True))

    assert [claim.message_id for claim in (await replies.claim(1, 5)).claims] == ["m"]


def test_a_worker_of_which_the_database_knows_nothing_learns_it() -> None:
    _, replies = replies_of(claim_replies=claimed(alive=False))

    assert not asyncio.run(replies.claim(1, 5)).alive


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in row_of("bad").items() if key != name}


UNREADABLE = {
    "nested 5,000 deep": row_of("bad", context='{"question": ' + "[" * 5000 + "]" * 5000 + "}"),
    "a number of 5,000 digits": row_of("bad", context='{"question": ' + "9" * 5000 + "}"),
    "no JSON": row_of("bad", context="<html>"),
    "null": row_of("bad", context=None),
    "a key of the context is missing": row_of("bad", context='{"question": "Why?"}'),
    "a key is missing": without("version"),
}


@pytest.mark.parametrize("bad", UNREADABLE.values(), ids=UNREADABLE)
async def test_one_row_that_cannot_be_read_fails_alone(bad: dict[str, Any]) -> None:
    database, replies = replies_of(claim_replies=claimed(row_of("m1"), bad, row_of("m2")), fail_reply=True)

    with capture_logs() as lines:
        found = await replies.claim(1, 5)

    assert [claim.message_id for claim in found.claims] == ["m1", "m2"]
    assert found.unreadable == 1
    [words] = database.words("fail_reply")
    assert (words["message_id"], words["attempt"], words["error_code"]) == ("bad", 3, "internal")
    assert (words["worker_id"], words["retry_in"]) == (replies.worker_id, None)
    assert [line["action"] for line in lines] == ["reply_unreadable"]


@pytest.mark.parametrize("bad", [{}, None, 7, [], without("message_id")])
@pytest.mark.parametrize("failed", [True, httpx.ReadTimeout("sentinel"), refuses("23514")])
async def test_nor_does_one_that_cannot_even_be_failed(bad: Any, failed: Any) -> None:
    _, replies = replies_of(claim_replies=claimed(bad, row_of("m1")), fail_reply=failed)

    assert [claim.message_id for claim in (await replies.claim(1, 5)).claims] == ["m1"]
