"""Questions that failed: each for a reason of its own, and none because of a fault of the house."""

from collections.abc import Iterator
from datetime import timedelta

from tests.chaos.verdict import Evidence, Row

MOST_CALLS = 4
MOST_DEATHS = 3
# What ends a worker, or what it is taken for dead by.
DEADLY = {"kill_worker", "drain_worker", "freeze_worker", "freeze_all", "refuse_calls", "exhaust_pool"}
BURIAL = timedelta(seconds=20)


def failures(evidence: Evidence) -> Iterator[str]:
    for reply in evidence.replies:
        question, code = str(reply["message_id"]), reply["error_code"]
        if reply["status"] != "failed":
            if question in evidence.asked.poisoned:
                yield f"{question}: {reply['status']}, though the database raises for it"
        elif not _is_of_its_own(evidence, reply):
            outcomes = [row["outcome"] for row in _calls(evidence, question)]
            yield f"{question}: failed as {code or 'nothing'} without a reason; its calls: {outcomes or 'none'}"


def _is_of_its_own(evidence: Evidence, reply: Row) -> bool:
    question, code = str(reply["message_id"]), reply["error_code"]
    calls = _calls(evidence, question)
    if code == "internal":
        return question in evidence.asked.poisoned or _deaths(evidence, reply) >= MOST_DEATHS
    if code == "out_of_tries":
        return len(calls) >= MOST_CALLS
    # The model's own refusal, of the last call.
    return bool(calls) and calls[-1]["outcome"] == code


def _calls(evidence: Evidence, question: str) -> list[Row]:
    rows = [row for row in evidence.ledger if str(row["message_id"]) == question]
    return sorted(rows, key=lambda row: row["attempt"])


def _deaths(evidence: Evidence, reply: Row) -> int:
    """How many may have died while they held it."""
    return sum(
        entry.fault in DEADLY and entry.meets(reply["created_at"] - BURIAL, reply["finished_at"])
        for entry in evidence.diary
    )
