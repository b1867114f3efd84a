"""What must hold when the house is whole again: judged by the database, the clients and the model's own log."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.chaos.diary import Entry

Row = dict[str, Any]

OVER = ("completed", "failed", "cancelled")
# A claim's clock starts before it sees what the answer before it has stored.
CLOCKS = timedelta(seconds=0.5)


@dataclass
class Asked:
    """What the harness has asked and done itself."""

    talks: list[Row] = field(default_factory=list)
    """As the crowd's, without pages."""
    touched: set[str] = field(default_factory=set)
    """Questions whose claim was ended by hand."""
    deleted: set[str] = field(default_factory=set)
    """Questions that are gone, with their chat or alone."""
    gone: set[str] = field(default_factory=set)
    """Chats that are."""
    poisoned: set[str] = field(default_factory=set)
    """Questions for which the database raised an error: they fail."""
    endings: list[datetime] = field(default_factory=list)
    """When a worker was killed or frozen."""
    set_aside: int = 0
    """For so many it raised whatever was tried."""
    planted: int = 0
    """So many places in the queue were taken away."""


@dataclass(frozen=True)
class Evidence:
    """`talks` is the crowd's report and the harness's own; `calls` is the model's log.

    The others are rows of the tables, the diary of what was done, and `complaints`: lines that no worker should log.
    """

    talks: list[Row]
    questions: list[Row]
    answers: list[Row]
    replies: list[Row]
    ledger: list[Row]
    calls: list[Row]
    left: list[str] = field(default_factory=list)
    """What is still there, and should not be: places in the queue, drafts, dead workers."""
    reconciler: Row = field(default_factory=lambda: {"mended": 0, "set_aside": 0})
    diary: list[Entry] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    asked: Asked = field(default_factory=Asked)


def violations(evidence: Evidence) -> list[str]:
    return [
        *_accepted_questions_are_over(evidence),
        *_turns_are_in_order(evidence),
        *_one_at_a_time(evidence),
        *_an_answer_has_one_attempt(evidence),
        *_nothing_of_deleted_chats_is_left(evidence),
        *_pages_show_what_is_stored(evidence),
        *_the_queue_mended_itself_only_where_it_was_broken(evidence),
        *evidence.left,
        *evidence.complaints,
    ]


def _accepted_questions_are_over(evidence: Evidence) -> Iterator[str]:
    """Once: with one answer for each version up to the one that was asked for last."""
    replies = by_question(evidence.replies)
    answers = by_question(evidence.answers, "reply_to")
    for question in _accepted(evidence):
        if question not in replies:
            yield f"{question}: accepted, and not there"
            continue
        [reply] = replies[question]
        versions = Counter(row["version"] for row in answers[question])
        newest, earlier = versions.pop(reply["version"], 0), range(1, reply["version"])
        if reply["status"] not in OVER:
            yield f"{question}: still {reply['status']}"
        elif versions != Counter(earlier) or newest > 1 or not _fits(reply["status"], newest):
            yield f"{question}: {reply['status']} with {versions.total() + newest} answers of {reply['version']}"


def _fits(status: str, answers: int) -> bool:
    """What was shown before a stop is kept, if it was anything."""
    return status == "cancelled" or answers == (status == "completed")


def _turns_are_in_order(evidence: Evidence) -> Iterator[str]:
    turns = {str(row["id"]): row["turn"] for row in evidence.questions}
    # One that waits behind another is cancelled at once.
    finished = {
        str(row["message_id"]): row["finished_at"] for row in evidence.replies if row["status"] != "cancelled"
    }
    for talk in evidence.talks:
        asked = [question for question in talk["accepted"] if question in turns]
        expected = [n for n, question in enumerate(talk["accepted"], 1) if question not in evidence.asked.deleted]
        if [turns[question] for question in asked] != expected:
            yield f"session {talk['session']}: turns are not in the order in which it was asked"
        over = [question for question in asked if finished.get(question)]
        for before, after in pairwise(over):
            if finished[before] > finished[after]:
                yield f"session {talk['session']}: {after} answered before {before}, out of order"


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
    whole = Counter(str(row["reply_to"]) for row in evidence.answers if row["finish_reason"] != "cancelled")
    for row in evidence.replies:
        question = str(row["message_id"])
        if good[question] != whole[question]:
            yield f"{question}: {row['status']}, {whole[question]} answers, and {good[question]} attempts were ok"


def _nothing_of_deleted_chats_is_left(evidence: Evidence) -> Iterator[str]:
    for row in [*evidence.questions, *evidence.replies]:
        if str(row["session_id"]) in evidence.asked.gone:
            yield f"session {row['session_id']}: deleted, and a part of it is there"
            break
    for row in evidence.replies:
        if str(row["message_id"]) in evidence.asked.deleted:
            yield f"{row['message_id']}: deleted, and its reply is there"


def _pages_show_what_is_stored(evidence: Evidence) -> Iterator[str]:
    stored = {
        str(row["reply_to"]): row["content"] for row in sorted(evidence.answers, key=lambda row: row["version"])
    }
    replies = {str(row["message_id"]): row for row in evidence.replies}
    for talk in evidence.talks:
        if "turns" not in talk:
            continue
        shown = [turn["id"] for turn in talk["turns"]]
        expected = [question for question in talk["accepted"] if question not in talk.get("replaced", [])]
        if shown != expected:
            count = f"{len(shown)} of {len(expected)}"
            yield f"session {talk['session']}: the page shows {count} turns, or in another order"
        for turn in talk["turns"]:
            if turn["text"] != stored.get(turn["id"], ""):
                yield f"{turn['id']}: the page shows another text than is stored"
            elif turn["id"] in replies and turn["state"] != replies[turn["id"]]["status"]:
                yield f"{turn['id']}: {turn['state']} on the page, {replies[turn['id']]['status']} in the database"


def _the_queue_mended_itself_only_where_it_was_broken(evidence: Evidence) -> Iterator[str]:
    for name, caused in (("mended", evidence.asked.planted), ("set_aside", evidence.asked.set_aside)):
        if evidence.reconciler[name] != caused:
            yield f"the queue: {name} {evidence.reconciler[name]}, and {caused} were caused"


def _accepted(evidence: Evidence) -> Iterator[str]:
    for talk in evidence.talks:
        yield from (question for question in talk["accepted"] if question not in evidence.asked.deleted)


def by_question(rows: Iterable[Row], column: str = "message_id") -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row[column])].append(row)
    return found
