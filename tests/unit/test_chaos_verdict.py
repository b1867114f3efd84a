"""The judge of a run under faults sees what it is there to see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.verdict import Evidence, violations

START = datetime(2026, 11, 24, tzinfo=UTC)


def call(question: str) -> dict:
    return {"body": {"contents": [{"parts": [{"text": f"How many likes did it get? {question}"}]}]}}


def reply(question: str, status: str, seconds: int, error_code: str | None = None) -> dict:
    finished_at = START + timedelta(seconds=seconds)
    return {"message_id": question, "status": status, "error_code": error_code, "finished_at": finished_at}


def entry(question: str, outcome: str, model: str | None = "a-model") -> dict:
    return {"message_id": question, "attempt": 1, "outcome": outcome, "model_requested": model}


def turn(question: str, state: str, text: str) -> dict:
    return {"id": question, "state": state, "text": text, "errorCode": None}


# One question answered, one failed: all as it should be.
GOOD = Evidence(
    talks=[
        {"session": "s", "accepted": ["a", "b"], "turns": [turn("a", "completed", "Yes."), turn("b", "failed", "")]}
    ],
    questions=[{"id": "a", "turn": 1}, {"id": "b", "turn": 2}],
    answers=[{"reply_to": "a", "content": "Yes."}],
    replies=[reply("a", "completed", 1), reply("b", "failed", 2, "content_blocked")],
    ledger=[entry("a", "lost"), entry("a", "ok"), entry("b", "content_blocked")],
    calls=[call("a"), call("b")],
)


def test_what_holds_is_let_through():
    assert violations(GOOD) == []
    assert violations(replace(GOOD, calls=[*GOOD.calls, call("a")])) == []  # the lost worker had made its call


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"replies": GOOD.replies[:1]}, "accepted, and not there"),
        ({"replies": [GOOD.replies[0], reply("b", "pending", 2)]}, "still pending"),
        ({"answers": [*GOOD.answers, *GOOD.answers]}, "completed with 2 answers"),
        ({"answers": []}, "completed with 0 answers"),
        ({"replies": [GOOD.replies[0], reply("b", "failed", 2)]}, "failed without a word"),
        ({"questions": [{"id": "a", "turn": 2}, {"id": "b", "turn": 1}]}, "turns are not in the order"),
        ({"replies": [reply("a", "completed", 3), GOOD.replies[1]]}, "answered out of order"),
        ({"ledger": [*GOOD.ledger, entry("b", "started")]}, "never closed"),
        ({"calls": GOOD.calls[:1]}, "0 calls, and in the ledger"),
        ({"calls": [*GOOD.calls, call("b")]}, "2 calls, and in the ledger"),
        ({"talks": [{**GOOD.talks[0], "turns": GOOD.talks[0]["turns"][:1]}]}, "the page shows 1 of 2 turns"),
        ({"answers": [{"reply_to": "a", "content": "Yes. Yes."}]}, "another text than is stored"),
        ({"queue": [{"message_id": "b"}]}, "still in the queue"),
    ],
)
def test_what_does_not_hold_is_named(broken: dict, words: str):
    assert any(words in sentence for sentence in violations(replace(GOOD, **broken)))
