"""Calls to the model: each has its row in the ledger, and each row its call, by the model's own log."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.chaos.losses import RECOVERY, WHAT_HITS_ALL
from tests.chaos.verdict import Evidence, Row, by_question

UNTOLD = timedelta(seconds=0.5)  # in which the next beat tells of a call, on a busy machine
A_MOMENT = timedelta(seconds=0.1)  # in which a call that was sent reaches the model


def calls(evidence: Evidence) -> Iterator[str]:
    ledger = by_question(evidence.ledger)
    made = by_question(({**call, "question": _question_of(call)} for call in evidence.calls), "question")
    endings = [(_told_until(evidence, ending), ending) for ending in evidence.asked.endings]
    for question in sorted({*ledger, *made}):
        outcomes = Counter(row["outcome"] for row in ledger[question])
        for open_one in ("claimed", "started"):
            if outcomes[open_one]:
                yield f"{question}: a row of the ledger is still {open_one}"
        # A worker that died between telling of its call and making it has a lost row, and no call.
        missing = outcomes.total() - len(made[question])
        excess = [_explain(endings, made[question]) for _ in range(-missing)]
        if missing > outcomes["lost"] or not all(excess):
            yield f"{question}: {len(made[question])} calls, and in the ledger {dict(outcomes)}"


def _told_until(evidence: Evidence, ending: datetime) -> datetime:
    """The ledger has the calls that began before this. While the API was away, later ones could not be told of."""
    away = [
        entry.begun
        for entry in evidence.diary
        if entry.fault in WHAT_HITS_ALL and entry.meets(ending - RECOVERY, ending)
    ]
    return min([ending, *away]) - UNTOLD


def _explain(endings: list[tuple[datetime, datetime]], made: list[Row]) -> bool:
    """A worker may end before it has told of its newest call: one call for each ending, which is used up."""
    for told_until, ending in endings:
        if any(told_until <= datetime.fromisoformat(call["time"]) <= ending + A_MOMENT for call in made):
            endings.remove((told_until, ending))
            return True
    return False


def _question_of(call: Row) -> str:
    """Every question ends with its own id."""
    return str(call["body"]["contents"][-1]["parts"][0]["text"].rsplit(" ", 1)[-1])
