"""The plans of hostile accounts, and whether one was passed: by rows, and not by the counters that enforce it."""

import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.rows import dict_row

from tests.attack.target import Account

POLL = 0.1  # seconds between two looks at what is under way
TIGHT = "tight"

Database = psycopg.Connection[dict[str, Any]]

# Beside the free plan, so that each of its limits is met within two minutes by one account or another.
MAKE_TIGHT = """insert into public.plans (
    name, questions_per_minute, questions_per_hour, questions_per_day, calls_per_day, tokens_per_day, active_chats,
    chat_changes_per_minute, waiting_at_once, replies_at_once, versions_per_answer, longest_message)
  values ('tight', 12, 30, 20, 25, 400000, 8, 8, 5, 2, 3, 300)"""

NOW = """select s.user_id, count(*) filter (where s.status = 'active') as active_chats,
    coalesce(sum(r.unfinished), 0) as waiting_at_once, coalesce(sum(r.answering), 0) as replies_at_once
  from public.chat_sessions s
  left join (
    select session_id, count(*) as unfinished, count(*) filter (where status = 'answering') as answering
    from public.chat_replies where status in ('pending', 'answering') group by session_id
  ) as r on r.session_id = s.id
  where s.user_id = any (%s) group by s.user_id"""

# What the operator has put into an account's chats, their first questions, is not counted.
USED = {
    "questions_per_minute": """select max(count) from (
        select count(*) from public.chat_messages m
        where m.user_id = %(user)s and m.role = 'user' and m.id <> all (%(first)s)
        group by date_trunc('minute', m.created_at)) as each""",
    "questions_per_hour": """select sum(r.version - (r.message_id = any (%(first)s))::integer)
        from public.chat_replies r where r.user_id = %(user)s""",
    "questions_per_day": """select count(*) from public.chat_messages m
        where m.user_id = %(user)s and m.role = 'user' and m.id <> all (%(first)s)""",
    "calls_per_day": """select count(*) from public.external_api_call_logs l
        where l.user_id = %(user)s and l.retry = 0 and l.outcome <> 'claimed' and l.started_at >= %(since)s""",
    "tokens_per_day": """select sum(l.prompt_tokens + l.candidate_tokens + coalesce(l.thought_tokens, 0))
        from public.external_api_call_logs l where l.user_id = %(user)s and l.started_at >= %(since)s""",
    "chat_changes_per_minute": """select max(count) from (
        select count(*) from realtime.messages e
        where e.event = 'session' and e.topic = any (%(topics)s)
        group by date_trunc('minute', e.inserted_at)) as each""",
    "versions_per_answer": "select max(r.version) from public.chat_replies r where r.user_id = %(user)s",
    "longest_message": """select max(char_length(m.content)) from public.chat_messages m
        where m.user_id = %(user)s and m.role = 'user' and m.id <> all (%(first)s)""",
}

UNITS = {"hour": 3600, "day": 86_400}


class Watch:
    """What each account has under way, looked at until the end of the block: `most`, by user and limit."""

    def __init__(self, url: str, accounts: list[Account]) -> None:
        self.most: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.looks = 0
        self._url = url
        self._users = [account.id for account in accounts]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch of plans", daemon=True)

    def __enter__(self) -> Self:
        self.since = datetime.now(UTC)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with psycopg.connect(self._url, autocommit=True, row_factory=dict_row) as database:
            while not self._over.wait(POLL):
                for row in database.execute(NOW, [self._users]):
                    seen = self.most[str(row.pop("user_id"))]
                    for limit, count in row.items():
                        seen[limit] = max(seen[limit], int(count))
                self.looks += 1


def tighten(database: Database, accounts: list[Account]) -> None:
    """Every other account gets a plan with which it meets other limits first."""
    database.execute(MAKE_TIGHT)
    for account in accounts[::2]:
        database.execute("insert into public.user_plans (user_id, plan) values (%s, %s)", [account.id, TIGHT])


@dataclass(frozen=True)
class Use:
    """Of one limit of its plan, by one account, at its most."""

    user: str
    limit: str
    used: float
    most: int

    def __str__(self) -> str:
        return f"{self.limit} {self.used:g} of {self.most}"


def used(database: Database, accounts: list[Account], watch: Watch) -> list[Use]:
    """What each account has used of each limit of its plan since the watch began."""
    return [
        Use(account.id, limit, _used(database, account, watch, limit), most)
        for account in accounts
        for limit, most in _plan(database, account).items()
    ]


def _plan(database: Database, account: Account) -> dict[str, int]:
    """By limit, those that are numbers."""
    row = database.execute("select (private.plan_of(%s)).*", [account.id]).fetchone()
    assert row
    return {limit: most for limit, most in row.items() if isinstance(most, int)}


def _used(database: Database, account: Account, watch: Watch, limit: str) -> float:
    if limit not in USED:
        return watch.most[account.id][limit]
    values = {
        "user": account.id,
        "first": account.questions,
        "since": watch.since,
        "topics": [f"chat:{session}" for session in account.sessions],
    }
    row = database.execute(USED[limit].encode(), values).fetchone()
    used = float((row and next(iter(row.values()))) or 0)
    return used / _periods(limit, watch.since)


def _periods(limit: str, since: datetime) -> int:
    """How many hours or days by the clock lie between `since` and now: in each of them as much may be used again."""
    seconds = next((seconds for unit, seconds in UNITS.items() if limit.endswith(unit)), None)
    if seconds is None:
        return 1
    return int(datetime.now(UTC).timestamp() // seconds - since.timestamp() // seconds) + 1
