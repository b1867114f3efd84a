"""What the look at the plan costs a question.

python -m tests.bench.quotas [--times N]

The insert of a question by its user, with quotas and with their triggers switched off, in turn and in one run. Times
are the processor's, of the back end alone, so that what else the machine does is in none of them: no API, no waiting,
no Realtime. The plan has each limit, none of which is reached. The ratio of the medians is the figure; over 1.3, the
exit code is 1.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from tests.bench.fresh_database import database
from tests.support import limits
from tests.support.people import User
from worker.local.stack import ROOT
from worker.local.supabase.passwords import SUPERUSER
from worker.local.supabase.postgres import Postgres

MOST = 1.3  # times what it costs without
BLOCK = 20  # questions, before it is the other's turn
MANY = 1_000_000

LIMITS = (
    *("questions_per_minute", "questions_per_hour", "questions_per_day", "calls_per_day", "active_chats"),
    *("chat_changes_per_minute", "replies_at_once"),
)
TRIGGERS = ("refuse_over_quota", "refuse_over_quota_of_retries")


class Bench:
    def __init__(self, postgres: Postgres) -> None:
        self._superuser = psycopg.connect(postgres.url(SUPERUSER), autocommit=True)
        self._who = User(uuid4(), token="")
        self._chat = self._open_chat(self._who)
        self._user = psycopg.connect(postgres.url("postgres"), autocommit=True)
        self._user.execute("set role authenticated")

    def _open_chat(self, user: User) -> UUID:
        self._superuser.execute("insert into auth.users (id) values (%s)", [user.id])
        limits.put_on(
            self._superuser,
            user,
            **dict.fromkeys(LIMITS, MANY),
            tokens_per_day=10**12,
            waiting_at_once=100,
            versions_per_answer=20,
            longest_message=4000,
        )
        row = self._superuser.execute(
            """with post as (
              insert into public.posts (user_id, platform, url) values (%s, 'instagram', 'https://example.test/p/1')
              returning id, user_id
            ), analysis as (
              insert into public.post_analyses (user_id, post_id) select user_id, id from post returning id, user_id
            )
            insert into public.chat_sessions (user_id, post_analysis_id) select user_id, id from analysis
            returning id""",
            [user.id],
        ).fetchone()
        assert row is not None
        session: UUID = row[0]
        return session

    def run(self, times: int) -> tuple[list[float], list[float]]:
        """Milliseconds of each insert: with quotas, and without."""
        self._user.execute("select set_config('request.jwt.claim.sub', %s, false)", [str(self._who.id)])
        taken: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(times // BLOCK):
            for is_on in (True, False):
                self._switch(is_on)
                self._ask()  # plans anew, after the change of the table
                taken[is_on] += [self._ask() for _ in range(BLOCK)]
        return taken[True], taken[False]

    def _switch(self, is_on: bool) -> None:
        for trigger in TRIGGERS:
            word = "enable" if is_on else "disable"
            self._superuser.execute(f"alter table public.chat_replies {word} trigger {trigger}".encode())

    def _ask(self) -> float:
        question = uuid4()
        insert = "insert into public.chat_messages (id, session_id, content) values (%s, %s, 'Why did it work?')"
        before = self._milliseconds()
        self._user.execute(insert, [question, self._chat])
        taken = self._milliseconds() - before
        self._user.execute("select public.cancel_reply(%s)", [question])
        return taken

    def _milliseconds(self) -> float:
        """For which the back end has run."""
        nanoseconds = Path(f"/proc/{self._user.info.backend_pid}/schedstat").read_text().split()[0]
        return int(nanoseconds) / 1e6


def described(taken: list[float]) -> str:
    tens: Any = statistics.quantiles(taken, n=10)
    return f"{statistics.median(taken):.2f} ms (p10 {tens[0]:.2f}, p90 {tens[-1]:.2f})"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--times", type=int, default=1000)
    times = options.parse_args().times
    with database(ROOT) as postgres:
        on, off = Bench(postgres).run(times)
    ratio = statistics.median(on) / statistics.median(off)
    print(f"an insert of a question, {len(on)} times each: medians of the back end's time")
    print(f"with quotas:    {described(on)}")
    print(f"without:        {described(off)}")
    print(f"ratio:          {ratio:.2f}, at most {MOST}")
    sys.exit(0 if ratio <= MOST else 1)


if __name__ == "__main__":
    main()
