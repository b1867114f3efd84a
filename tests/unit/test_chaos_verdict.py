"""The judge of a run under faults sees what it is there to see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.diary import Entry
from tests.chaos.losses import losses
from tests.chaos.verdict import Evidence, violations

START = datetime(2026, 11, 24, tzinfo=UTC)


def call(question: str) -> dict:
    return {"body": {"contents": [{"parts": [{"text": f"How many likes did it get? {question}"}]}]}}


def reply(question: str, status: str, seconds: int, error_code: str | None = None) -> dict:
    return {"message_id": question, "status": status, "error_code": error_code, "finished_at": at(seconds)}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def entry(question: str, outcome: str, times: tuple[float, float] = (0, 1), **others: object) -> dict:
    """A row of the ledger; `times` in seconds from the start."""
    row = {"message_id": question, "attempt": 1, "outcome": outcome, "model_requested": "a-model"}
    more = {"session_id": "s", "worker_id": "w", "latency_ms": None}
    return {**row, **more, "started_at": at(times[0]), "finished_at": at(times[1]), **others}


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
    ledger=[entry("a", "lost"), entry("a", "ok", attempt=2), entry("b", "content_blocked", (1, 2))],
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
        ({"ledger": [GOOD.ledger[0], entry("a", "lost", attempt=2), GOOD.ledger[2]]}, "completed, and 0 attempts"),
        ({"ledger": [*GOOD.ledger, entry("b", "ok")]}, "failed, and 1 attempts were ok"),
        ({"ledger": [*GOOD.ledger[:2], entry("b", "content_blocked", (0.2, 2))]}, "a and b at the same time"),
    ],
)
def test_what_does_not_hold_is_named(broken: dict, words: str):
    assert any(words in sentence for sentence in violations(replace(GOOD, **broken)))


# A worker frozen for ten seconds, whose claim another took over meanwhile.
FROZEN = Entry("freeze_worker", at(2), at(12), "w")
LOST = entry("a", "lost", (1, 7))
TAKEN_OVER = replace(GOOD, ledger=[LOST, entry("a", "ok", (7, 9), attempt=2, worker_id="v")], diary=[FROZEN])


def test_a_loss_with_a_reason_is_let_through():
    assert losses(TAKEN_OVER) == []
    assert losses(replace(TAKEN_OVER, diary=[Entry("restart_postgres", at(2), at(6))])) == []


def test_a_stale_attempt_may_end_as_soon_as_its_worker_wakes_up():
    woken = entry("a", "lost", (1, 13), latency_ms=12_000)
    assert losses(replace(TAKEN_OVER, ledger=[woken, TAKEN_OVER.ledger[1]])) == []


@pytest.mark.parametrize(
    "diary",
    [[], [replace(FROZEN, worker_id="v")], [Entry("confuse_model", at(2), at(3))], [Entry("kill_api", at(9), at(9))]],
)
def test_a_loss_without_a_reason_is_named(diary: list[Entry]):
    [sentence] = losses(replace(TAKEN_OVER, diary=diary))
    assert "attempt 1 was lost, and nothing had happened to its worker" in sentence


def test_a_stale_attempt_that_lives_on_is_named():
    lived_on = entry("a", "lost", (1, 20), latency_ms=19_000)
    [sentence] = losses(replace(TAKEN_OVER, ledger=[lived_on, TAKEN_OVER.ledger[1]]))
    assert "attempt 1 was lost, and streamed on for 8 s" in sentence
