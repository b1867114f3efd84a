"""The project's spend cap, when all limits of the plans are taken off and everybody asks without an end."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from tests.attack.attacker import Harvest
from tests.support.waiting import wait_for

CALLS = 20  # after about so many the cap is reached
MOST_ATTACKS = 20
POLL = 0.05  # seconds between two looks at whether questions are refused
IN_TIME = 10.0  # seconds until questions are refused, after the cap was reached

Database = psycopg.Connection[dict[str, Any]]

PRICES = """[[prices]]
model = "offline-extractive"
prompt = 0.75
cached = 0.075
output = 3.75
as_of = 2026-09-06
source = "those of a hosted model of today: the offline one costs nothing"
"""
NO_LIMITS = """update public.plans set questions_per_minute = null, questions_per_hour = null,
  questions_per_day = null, calls_per_day = null, tokens_per_day = null, active_chats = null,
  chat_changes_per_minute = null, waiting_at_once = null, replies_at_once = null"""
SET_CAP = """update public.chat_settings set spend_cap_usd_per_day = (
    select sum(l.cost_usd) + %s * avg(l.cost_usd) from public.external_api_call_logs l where l.cost_usd > 0)
  returning spend_cap_usd_per_day as cap"""
REFUSED = """select clock_timestamp() as at, (
    select count(*) from public.chat_replies r where r.status in ('pending', 'answering')) as under_way
  from private.project_refusal() as p where p.reason = 'spend_cap_day'"""
# When the ledger itself came to the cap, what it has come to, and what was accepted after users were to be refused.
SPENT = """select sum(l.cost_usd) as spent, max(l.finished_at) as ended_at,
    min(l.finished_at) filter (where l.spent >= %(cap)s) as reached_at,
    (select count(*) from public.chat_replies r where r.pending_since > %(refused_at)s) as late
  from (
    select cost_usd, finished_at, sum(cost_usd) over (order by finished_at, message_id, attempt) as spent
    from public.external_api_call_logs where cost_usd is not null
  ) as l"""


@dataclass(frozen=True)
class Spending:
    """US dollars; how many replies were unfinished when questions began to be refused, how many were begun later, and
    how many seconds it took from the cap to the refusals."""

    cap: float
    spent: float
    under_way: int
    late: int
    refused: int
    seconds: float

    def as_text(self) -> str:
        return (
            f"cap {self.cap:.4f} USD, spent {self.spent:.4f}: {self.under_way} replies were under way when it was"
            f" seen, {self.seconds:.1f} s after it was reached; {self.refused} questions were refused, and"
            f" {self.late} begun later"
        )

    @property
    def violations(self) -> list[str]:
        if self.spent < self.cap or not self.refused:
            return [f"nobody came to the cap: {self.as_text()}"]
        return [f"begun after the cap was seen: {self.as_text()}"] if self.late else []

    @property
    def delays(self) -> list[str]:
        return [f"the cap was seen late: {self.as_text()}"] if self.seconds > IN_TIME else []


def set_cap(database: Database) -> float:
    """Takes the limits of all plans off, and leaves some CALLS to be spent. In US dollars."""
    database.execute(NO_LIMITS)
    row = database.execute(SET_CAP, [CALLS]).fetchone()
    assert row
    return float(row["cap"])


def spend(database: Database, cap: float, attack: Callable[[], Future[Harvest]]) -> Spending:
    """What attacks spend, one after the other, until they are refused and what was accepted is answered."""
    harvests, refusal = [], None
    for _ in range(MOST_ATTACKS):
        attacks = attack()
        while not attacks.done():
            refusal = refusal or database.execute(REFUSED).fetchone()
            time.sleep(POLL)
        harvests.append(attacks.result())
        if refusal and _count_refused(harvests):
            break
    assert refusal, f"nobody came to the cap of {cap:.4f} USD"
    _empty(database)
    row = database.execute(SPENT, {"cap": cap, "refused_at": refusal["at"]}).fetchone()
    assert row
    return Spending(
        cap,
        float(row["spent"]),
        refusal["under_way"],
        row["late"],
        _count_refused(harvests),
        _seconds(row["reached_at"], refusal["at"]),
    )


def _count_refused(harvests: list[Harvest]) -> int:
    return sum(answers["429 project_paused"] for harvest in harvests for answers in harvest.answers.values())


def _seconds(reached_at: datetime | None, refused_at: datetime) -> float:
    return (refused_at - reached_at).total_seconds() if reached_at else 0.0


def _empty(database: Database) -> None:
    unfinished = "select count(*) from public.chat_replies where status in ('pending', 'answering')"
    wait_for(lambda: database.execute(unfinished).fetchone() == {"count": 0}, "the queue to be empty", 120)
