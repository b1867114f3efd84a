"""The judge of a run under faults sees what it is there to see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.calls import calls
from tests.chaos.diary import Entry
from tests.chaos.failures import failures
from tests.chaos.losses import losses
from tests.chaos.verdict import Asked, Evidence, Row, violations

START = datetime(2026, 11, 24, tzinfo=UTC)


def call(question: str, seconds: float = 0) -> Row:
    text = f"How many likes did it get? {question}"
    return {"time": at(seconds).isoformat(), "body": {"contents": [{"parts": [{"text": text}]}]}}


def reply(question: str, status: str, seconds: int, error_code: str | None = None, version: int = 1) -> Row:
    times = {"created_at": at(0), "finished_at": at(seconds)}
    ids = {"message_id": question, "session_id": "s"}
    return {**ids, **times, "status": status, "error_code": error_code, "version": version}


def answer(question: str, content: str, version: int = 1, finish_reason: str = "stop") -> Row:
    return {"reply_to": question, "content": content, "version": version, "finish_reason": finish_reason}


def asked(question: str, turn: int) -> Row:
    return {"id": question, "session_id": "s", "turn": turn}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def entry(question: str, outcome: str, times: tuple[float, float] = (0, 1), **others: object) -> Row:
    """A row of the ledger; `times` in seconds from the start."""
    row = {"message_id": question, "attempt": 1, "outcome": outcome, "model_requested": "a-model"}
    more = {"session_id": "s", "worker_id": "w", "latency_ms": None}
    return {**row, **more, "started_at": at(times[0]), "finished_at": at(times[1]), **others}


def turn(question: str, state: str, text: str) -> Row:
    return {"id": question, "state": state, "text": text, "errorCode": None}


def judged(evidence: Evidence) -> list[str]:
    return [*violations(evidence), *failures(evidence), *calls(evidence)]


# One question answered, one failed: all as it should be.
GOOD = Evidence(
    talks=[
        {"session": "s", "accepted": ["a", "b"], "turns": [turn("a", "completed", "Yes."), turn("b", "failed", "")]}
    ],
    questions=[asked("a", 1), asked("b", 2)],
    answers=[answer("a", "Yes.")],
    replies=[reply("a", "completed", 1), reply("b", "failed", 2, "content_blocked")],
    ledger=[entry("a", "lost"), entry("a", "ok", attempt=3), entry("b", "content_blocked", (1, 2))],
    calls=[call("a"), call("b")],
)
TALK = GOOD.talks[0]
KILLED = Entry("kill_worker", at(5), at(6), "w")


def test_what_holds_is_let_through() -> None:
    assert judged(GOOD) == []
    assert judged(replace(GOOD, calls=[*GOOD.calls, call("a")])) == []  # the lost worker had made its call


def test_versions_and_replaced_questions_are_let_through() -> None:
    versions = replace(
        GOOD,
        talks=[{**TALK, "replaced": ["b"], "turns": [turn("a", "completed", "Yes, indeed.")]}],
        answers=[answer("a", "Yes.", 1), answer("a", "Yes, indeed.", 2), answer("b", "No", 1, "cancelled")],
        replies=[reply("a", "completed", 1, version=2), reply("b", "cancelled", 2)],
        ledger=[entry("a", "ok"), entry("a", "ok", (1, 2), attempt=2), entry("b", "cancelled", (2, 3))],
        calls=[call("a"), call("a"), call("b")],
    )
    assert judged(versions) == []
    [sentence] = violations(replace(versions, answers=versions.answers[1:], ledger=versions.ledger[1:]))
    assert "completed with 1 answers of 2" in sentence


def test_a_question_that_waits_behind_another_may_be_cancelled_first() -> None:
    cancelled = [reply("a", "completed", 3), reply("b", "cancelled", 2)]
    turns = [TALK["turns"][0], turn("b", "cancelled", "")]
    assert (
        judged(
            replace(
                GOOD, replies=cancelled, ledger=GOOD.ledger[:2], calls=[call("a")], talks=[{**TALK, "turns": turns}]
            )
        )
        == []
    )


def test_what_was_deleted_need_not_be_there() -> None:
    deleted = replace(
        GOOD, questions=[asked("b", 2)], replies=GOOD.replies[1:], answers=[], talks=[{**TALK, "turns": []}]
    )
    without_pages = replace(deleted, talks=[{"session": "s", "accepted": ["a", "b"]}])
    assert judged(replace(without_pages, asked=Asked(deleted={"a"}))) == []
    assert any("accepted, and not there" in sentence for sentence in judged(without_pages))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"replies": GOOD.replies[:1]}, "accepted, and not there"),
        ({"replies": [GOOD.replies[0], reply("b", "pending", 2)]}, "still pending"),
        ({"answers": [*GOOD.answers, *GOOD.answers]}, "completed with 2 answers"),
        ({"answers": []}, "completed with 0 answers"),
        ({"replies": [GOOD.replies[0], reply("b", "failed", 2)]}, "failed as nothing"),
        ({"questions": [asked("a", 2), asked("b", 1)]}, "turns are not in the order"),
        ({"replies": [reply("a", "completed", 3), GOOD.replies[1]]}, "out of order"),
        ({"ledger": [*GOOD.ledger, entry("b", "started")]}, "still started"),
        ({"ledger": [*GOOD.ledger, entry("b", "claimed")]}, "still claimed"),
        ({"calls": GOOD.calls[:1]}, "0 calls, and in the ledger"),
        ({"calls": [*GOOD.calls, call("b")]}, "2 calls, and in the ledger"),
        ({"talks": [{**TALK, "turns": TALK["turns"][:1]}]}, "the page shows 1 of 2 turns"),
        ({"talks": [{**TALK, "replaced": ["b"]}]}, "the page shows 2 of 1 turns"),
        ({"answers": [answer("a", "Yes. Yes.")]}, "another text than is stored"),
        ({"left": ["b: still in the queue"]}, "still in the queue"),
        ({"complaints": ["worker 0: task_failed: KeyError"]}, "task_failed"),
        ({"reconciler": {"mended": 1, "set_aside": 0}}, "mended 1, and 0 were caused"),
        ({"asked": Asked(set_aside=1)}, "set_aside 0, and 1 were caused"),
        ({"asked": Asked(gone={"s"})}, "deleted, and a part of it is there"),
        ({"asked": Asked(deleted={"b"})}, "deleted, and its reply is there"),
        ({"asked": Asked(poisoned={"a"})}, "though the database raises for it"),
        ({"ledger": [GOOD.ledger[0], entry("a", "lost", attempt=2), GOOD.ledger[2]]}, "and 0 attempts were ok"),
        ({"ledger": [*GOOD.ledger, entry("b", "ok")]}, "and 1 attempts were ok"),
        ({"ledger": [*GOOD.ledger[:2], entry("b", "content_blocked", (0.2, 2))]}, "a and b at the same time"),
    ],
)
def test_what_does_not_hold_is_named(broken: Row, words: str) -> None:
    assert any(words in sentence for sentence in judged(replace(GOOD, **broken)))


def failed_as(code: str, *outcomes: str) -> Evidence:
    rows = [entry("b", outcome, (n, n + 1), attempt=n) for n, outcome in enumerate(outcomes)]
    return replace(
        GOOD, replies=[reply("b", "failed", 60, code)], ledger=rows, calls=[call("b") for _ in rows], diary=[KILLED]
    )


@pytest.mark.parametrize(
    "fair",
    [
        failed_as("model_overloaded", "lost", "model_overloaded"),
        failed_as("out_of_tries", *["lost"] * 4),
        replace(failed_as("internal"), asked=Asked(poisoned={"b"})),
        replace(failed_as("internal", "lost", "lost", "lost"), diary=[KILLED] * 3),
    ],
)
def test_a_question_may_fail_for_a_reason_of_its_own(fair: Evidence) -> None:
    assert list(failures(fair)) == []


@pytest.mark.parametrize(
    "unfair",
    [
        failed_as("waited_too_long"),
        failed_as("model_overloaded", "lost"),
        failed_as("out_of_tries", "lost", "model_overloaded"),
        failed_as("internal", "lost"),
    ],
)
def test_a_question_that_fails_for_another_reason_is_named(unfair: Evidence) -> None:
    [sentence] = failures(unfair)
    assert "without a reason" in sentence


def test_a_worker_that_is_killed_may_leave_one_call_untold() -> None:
    untold = replace(GOOD, calls=[*GOOD.calls, call("b", 4.9)], asked=Asked(endings=[at(5)]))
    assert list(calls(untold)) == []
    # The API was away from before the call until just before the end.
    away = replace(untold, calls=[*GOOD.calls, call("b", 1.8)], diary=[Entry("kill_api", at(2), at(4))])
    assert list(calls(away)) == []
    for broken in (
        replace(untold, calls=[*untold.calls, call("b", 4.9)]),
        replace(untold, calls=[*GOOD.calls, call("b", 3)]),
        replace(untold, calls=[*GOOD.calls, call("b", 5.5)]),
        replace(untold, asked=Asked()),
        replace(away, calls=[*GOOD.calls, call("b", 1)]),
    ):
        assert list(calls(broken)), broken


# A worker frozen for ten seconds, whose claim another took over meanwhile.
FROZEN = Entry("freeze_worker", at(2), at(12), "w")
LOST = entry("a", "lost", (1, 7))
TAKEN_OVER = replace(GOOD, ledger=[LOST, entry("a", "ok", (7, 9), attempt=3, worker_id="v")], diary=[FROZEN])


def test_a_loss_with_a_reason_is_let_through() -> None:
    assert losses(TAKEN_OVER) == []
    assert losses(replace(TAKEN_OVER, diary=[Entry("restart_postgres", at(2), at(6))])) == []
    assert losses(replace(TAKEN_OVER, diary=[], asked=Asked(touched={"a"}))) == []


def test_a_stale_attempt_may_end_as_soon_as_its_worker_wakes_up() -> None:
    woken = entry("a", "lost", (1, 13), latency_ms=12_000)
    assert losses(replace(TAKEN_OVER, ledger=[woken, TAKEN_OVER.ledger[1]])) == []


@pytest.mark.parametrize(
    "diary",
    [
        [],
        [replace(FROZEN, worker_id="v")],
        [Entry("confuse_model", at(2), at(3))],
        [Entry("lose_claims", at(2), at(3))],
        [Entry("kill_api", at(9), at(9))],
    ],
)
def test_a_loss_without_a_reason_is_named(diary: list[Entry]) -> None:
    [sentence] = losses(replace(TAKEN_OVER, diary=diary))
    assert "attempt 1 was lost, and nothing had happened to its worker" in sentence


def test_a_stale_attempt_that_lives_on_is_named() -> None:
    lived_on = entry("a", "lost", (1, 20), latency_ms=19_000)
    [sentence] = losses(replace(TAKEN_OVER, ledger=[lived_on, TAKEN_OVER.ledger[1]]))
    assert "attempt 1 was lost, and streamed on for 8 s" in sentence
