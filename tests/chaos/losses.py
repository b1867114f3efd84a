"""Attempts that were lost: each for a reason, and none lives on. Judged by the ledger and the diary."""

from collections.abc import Iterator
from datetime import timedelta

from tests.chaos.diary import DIED
from tests.chaos.verdict import Evidence, Row

WHAT_HITS_ALL = {"kill_api", "restart_postgres", "cut_connections", "starved", DIED}
# In which workers, the API and Postgres find together again on a busy machine.
RECOVERY = timedelta(seconds=5)
# In which a worker that is awake sees that a lease is lost: it looks each second, and a look is bounded.
PATIENCE = timedelta(seconds=4)


def losses(evidence: Evidence) -> list[str]:
    return [*_nothing_is_lost_without_a_reason(evidence), *_what_is_lost_is_given_up(evidence)]


def _nothing_is_lost_without_a_reason(evidence: Evidence) -> Iterator[str]:
    """A worker that lives and can reach the database keeps its leases."""
    for row in _lost(evidence):
        if not any(
            entry.meets(row["started_at"] - RECOVERY, row["finished_at"]) for entry in _reasons(evidence, row)
        ):
            yield f"{row['message_id']}: attempt {row['attempt']} was lost, and nothing had happened to its worker"


def _what_is_lost_is_given_up(evidence: Evidence) -> Iterator[str]:
    """A stale attempt has a latency if its worker came to the end of the call all the same."""
    begun = {(row["message_id"], row["attempt"]): row["started_at"] for row in evidence.ledger}
    for row in _lost(evidence):
        lost_at = begun.get((row["message_id"], row["attempt"] + 1))
        if lost_at is None or row["latency_ms"] is None:
            continue
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


def _reasons(evidence: Evidence, row: Row):
    return [
        entry for entry in evidence.diary if entry.worker_id == str(row["worker_id"]) or entry.fault in WHAT_HITS_ALL
    ]
