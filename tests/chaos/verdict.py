"""What must hold when the house is whole again: judged by the database, the clients and the model's own log."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

from tests.chaos.diary import Entry

Row = dict[str, Any]

OVER = ("completed", "failed", "cancelled")
# A claim's clock starts before it sees what the answer before it has stored.
CLOCKS = timedelta(seconds=0.5)


@dataclass(frozen=True)
class Evidence:
    """`talks` is the crowd's report (what was asked without a page has no turns); `calls` is the model's log.

    The others are rows of the tables, and the diary of what was done.
    """

    talks: list[Row]
    questions: list[Row]
    answers: list[Row]
    replies: list[Row]
    ledger: list[Row]
    calls: list[Row]
    queue: list[Row] = field(default_factory=list)
    diary: list[Entry] = field(default_factory=list)


def violations(evidence: Evidence) -> list[str]:
    return [
        *_accepted_questions_are_over(evidence),
        *_turns_are_in_order(evidence),
        *_one_at_a_time(evidence),
        *_an_answer_has_one_attempt(evidence),
        *_the_ledger_knows_every_call(evidence),
        *_pages_show_what_is_stored(evidence),
        *(f"{row['message_id']}: still in the queue" for row in evidence.queue),
    ]


def _accepted_questions_are_over(evidence: Evidence) -> Iterator[str]:
    replies = {str(row["message_id"]): row for row in evidence.replies}
    answers = Counter(str(row["reply_to"]) for row in evidence.answers)
    for talk in evidence.talks:
        for question in talk["accepted"]:
            reply = replies.get(question)
            if reply is None:
                yield f"{question}: accepted, and not there"
            elif reply["status"] not in OVER:
                yield f"{question}: still {reply['status']}"
            elif answers[question] != (reply["status"] == "completed"):
                yield f"{question}: {reply['status']} with {answers[question]} answers"
            elif reply["status"] == "failed" and not reply["error_code"]:
                yield f"{question}: failed without a word"


def _turns_are_in_order(evidence: Evidence) -> Iterator[str]:
    turns = {str(row["id"]): row["turn"] for row in evidence.questions}
    finished = {str(row["message_id"]): row["finished_at"] for row in evidence.replies}
    for talk in evidence.talks:
        asked = [question for question in talk["accepted"] if question in turns]
        if [turns[question] for question in asked] != list(range(1, len(asked) + 1)):
            yield f"session {talk['session']}: turns are not in the order in which it was asked"
        times = [finished[question] for question in asked if finished.get(question)]
        if times != sorted(times):
            yield f"session {talk['session']}: answered out of order"


def _one_at_a_time(evidence: Evidence) -> Iterator[str]:
    """In each session. A lost attempt may have been cut off long before the ledger is told."""
    sessions: dict[str, list[Row]] = {}
    for row in evidence.ledger:
        if row["outcome"] != "lost" and row["finished_at"]:
            sessions.setdefault(str(row["session_id"]), []).append(row)
    for session, rows in sessions.items():
        rows.sort(key=lambda row: row["started_at"])
        for before, after in pairwise(rows):
            if before["finished_at"] - after["started_at"] > CLOCKS:
                yield f"session {session}: {before['message_id']} and {after['message_id']} at the same time"


def _an_answer_has_one_attempt(evidence: Evidence) -> Iterator[str]:
    """What was stored is what the ledger calls ok: a lost attempt has stored nothing."""
    good = Counter(str(row["message_id"]) for row in evidence.ledger if row["outcome"] == "ok")
    for row in evidence.replies:
        question = str(row["message_id"])
        if good[question] != (row["status"] == "completed"):
            yield f"{question}: {row['status']}, and {good[question]} attempts were ok"


def _the_ledger_knows_every_call(evidence: Evidence) -> Iterator[str]:
    rows: dict[str, list[Row]] = {}
    for row in evidence.ledger:
        rows.setdefault(str(row["message_id"]), []).append(row)
    calls = Counter(_question_of(call) for call in evidence.calls)
    for question in {*rows, *calls}:
        outcomes = Counter(row["outcome"] for row in rows.get(question, []))
        if outcomes["started"]:
            yield f"{question}: a row of the ledger was never closed"
        # A worker that died between its claim and its call has a lost row, and no call;
        # where no model could be asked, the row names none.
        unasked = sum(row["model_requested"] is None and row["outcome"] != "lost" for row in rows.get(question, []))
        missing = outcomes.total() - calls[question]
        if not unasked <= missing <= unasked + outcomes["lost"]:
            yield f"{question}: {calls[question]} calls, and in the ledger {dict(outcomes)}"


def _question_of(call: Row) -> str:
    """Every question of the crowd ends with its own id."""
    return str(call["body"]["contents"][-1]["parts"][0]["text"].rsplit(" ", 1)[-1])


def _pages_show_what_is_stored(evidence: Evidence) -> Iterator[str]:
    stored = {str(row["reply_to"]): row["content"] for row in evidence.answers}
    replies = {str(row["message_id"]): row for row in evidence.replies}
    for talk in evidence.talks:
        if "turns" not in talk:
            continue
        shown = [turn["id"] for turn in talk["turns"]]
        if shown != talk["accepted"]:
            count = f"{len(shown)} of {len(talk['accepted'])}"
            yield f"session {talk['session']}: the page shows {count} turns, or in another order"
        for turn in talk["turns"]:
            if turn["text"] != stored.get(turn["id"], ""):
                yield f"{turn['id']}: the page shows another text than is stored"
            elif turn["id"] in replies and turn["state"] != replies[turn["id"]]["status"]:
                yield f"{turn['id']}: {turn['state']} on the page, {replies[turn['id']]['status']} in the database"
