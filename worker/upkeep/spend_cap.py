"""Computes every few seconds what the project has spent, for the metrics, and for the database, which refuses
questions above the cap."""

import math
from dataclasses import dataclass, field
from typing import Any, Self

import structlog

from worker.database.replies import Replies
from worker.database.rpc import reading
from worker.errors import DatabaseError
from worker.telemetry import metrics

log = structlog.get_logger()

OF_A_PAUSE = "paused"


@dataclass(frozen=True)
class Spend:
    """Spending in US dollars, as in ops_report. A cap that is not set is None. `refuses`: why questions are refused;
    None: they are accepted. `resets_at`: ISO 8601."""

    usd_today: float
    usd_this_month: float
    cap_usd_per_day: float | None
    cap_usd_per_month: float | None
    refuses: str | None = None
    resets_at: str | None = None
    refused: dict[str, int] = field(default_factory=dict)
    """Reason → number of refused questions since the installation."""

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """Raises LookupError, TypeError, ValueError or AttributeError if the row has another shape."""
        day, month = row["cap_usd_per_day"], row["cap_usd_per_month"]
        return cls(
            float(row["usd_today"]),
            float(row["usd_this_month"]),
            None if day is None else float(day),
            None if month is None else float(month),
            row["refuses"],
            row["resets_at"],
            {str(reason): int(count) for reason, count in row["refused"].items()},
        )

    @property
    def refusal(self) -> str | None:
        """Sentences for the operator; None: questions are accepted."""
        if self.refuses is None:
            return None
        what_goes_on = "New questions are refused; what was asked before is answered."
        if self.refuses == OF_A_PAUSE:
            return f"The project is paused. {what_goes_on} chat_settings.paused ends it."
        of_day = self.refuses == "spend_cap_day"
        spent, cap = (
            (self.usd_today, self.cap_usd_per_day) if of_day else (self.usd_this_month, self.cap_usd_per_month)
        )
        name, span = ("day", "today") if of_day else ("month", "this month")
        return (
            f"The project has spent {spent:.2f} of {cap or 0:.2f} USD {span}. {what_goes_on} "
            f"It goes on at {self.resets_at}, or with a higher chat_settings.spend_cap_usd_per_{name}."
        )


class SpendCap:
    """Call `step` repeatedly: every few seconds, the first of all workers computes the sums."""

    SECONDS = 5.0

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._spend: Spend | None = None

    async def step(self) -> None:
        """Raises DatabaseError."""
        try:
            answer = await self._replies.measure_spend()
            with reading("measure_spend"):
                spend = Spend.from_row(answer)
        except DatabaseError:
            _show(Spend(math.nan, math.nan, math.nan, math.nan), paused=math.nan)
            raise
        before = self._spend.refuses if self._spend else None
        self._spend = spend
        _show(spend, paused=float(spend.refuses == OF_A_PAUSE))
        if spend.refuses != before:
            log.warning(
                "New questions are refused." if spend.refuses else "New questions are taken again.",
                action="project_refuses",
                reason=spend.refuses,
                resets_at=spend.resets_at,
            )

    def notices(self) -> dict[str, str]:
        """Name → sentences; empty while questions are accepted or nothing is known. May be called in any thread."""
        spend = self._spend
        if spend is None or spend.refuses is None or spend.refusal is None:
            return {}
        return {spend.refuses: spend.refusal}


def _show(spend: Spend, paused: float) -> None:
    for span, spent, cap in (
        ("day", spend.usd_today, spend.cap_usd_per_day),
        ("month", spend.usd_this_month, spend.cap_usd_per_month),
    ):
        metrics.SPEND.labels(span).set(spent)
        metrics.SPEND_CAP.labels(span).set(math.nan if cap is None else cap)
    metrics.PAUSED.set(paused)
    for reason, count in spend.refused.items():
        metrics.REFUSALS.labels(reason).set(count)
