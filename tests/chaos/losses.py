"""Attempts that were lost: each for a reason, and none lives on. Judged by the ledger and the diary."""

from collections.abc import Iterator
from datetime import timedelta

from tests.chaos.diary import DIED, Entry
from tests.chaos.verdict import Evidence, Row

WHAT_HITS_ALL = {
    "kill_api", "restart_postgres", "cut_connections", "refuse_calls", "exhaust_pool", "freeze_all", "starved", DIED
}  # fmt: skip
# In which workers, the API and Postgres find together again on a busy machine.
RECOVERY = timedelta(seconds=5)
# In which a worker that is awake sees that a claim is lost: it beats each second, and a beat is bounded.
PATIENCE = timedelta(seconds=5)


def losses(evidence: Evidence) -> list[str]:
    return [*_nothing_is_lost_without_a_reason(evidence), *_what_is_lost_is_given_up(evidence)]


def _nothing_is_lost_without_a_reason(evidence: Evidence) -> Iterator[str]:
    """A worker that lives and can reach the database keeps what it holds, unless somebody ends that claim."""
    for row in _lost(evidence):
        if str(row["message_id"]) in evidence.asked.touched:
            continue
        if not any(
            entry.meets(row["started_at"] - RECOVERY, row["finished_at"]) for entry in _reasons(evidence, row)
        ):
            yield f"{row['message_id']}: attempt {row['attempt']} was lost, and nothing had happened to its worker"


def _what_is_lost_is_given_up(evidence: Evidence) -> Iterator[str]:
    """The latency of a stale attempt says when its worker gave it up, or came to its end all the same."""
    for row in _lost(evidence):
        # Numbers may be missing: a claim that made no call leaves no row.
        later = [
            each["started_at"]
            for each in evidence.ledger
            if each["message_id"] == row["message_id"] and each["attempt"] > row["attempt"]
        ]
        if not later or row["latency_ms"] is None:
            continue
        lost_at = min(later)
        ended = row["started_at"] + timedelta(milliseconds=row["latency_ms"])
        kept_from_seeing = [entry.ended for entry in _reasons(evidence, row) if entry.meets(row["started_at"], ended)]
        too_long = ended - max([lost_at, *kept_from_seeing])
        if too_long > PATIENCE:
            yield (
                f"{row['message_id']}: attempt {row['attempt']} was lost,"
                f" and streamed on for {too_long.total_seconds():.0f} s"
            )


def _lost(evidence: Evidence) -> list[Row]:
    return [row for row in evidence.ledger if row["outcome"] == "lost"]


def _reasons(evidence: Evidence, row: Row) -> list[Entry]:
    return [
        entry for entry in evidence.diary if entry.worker_id == str(row["worker_id"]) or entry.fault in WHAT_HITS_ALL
    ]
