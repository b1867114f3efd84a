"""Sixty commands at a time of one account, for thirty seconds: what others notice of it.

The API here is one process on shared cores, and sixty requests of any kind keep it busy. So the same is measured
with reads of one row that take no lock: what the commands add to that is what a hosted API would see, too.

python -m tests.bench.one_account
"""

import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Self
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.bench.crew import Metered, crew
from tests.support.database import Connection as Database
from tests.support.people import Chat, People
from tests.support.waiting import wait_for
from worker.local.stack import Stack

AT_A_TIME = 60
SECONDS = 30.0
IDLE_SECONDS = 5.0
# A filter on one's own text that takes a second or more.
SLOW = r"match.^(a+)(a+)(a+)\1\2\3$"
LONG = "An answer that takes its time. " * 30


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        crew(Path(directory), 1) as (stack, [worker]),
        psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as database,
        People(stack.environment, database) as people,
    ):
        answer_slowly(stack, people, database)
        reader = people.make_chat()
        idle = read_for(people, reader, IDLE_SECONDS)
        before = worker.counts("postbro_leases_lost_total")
        attack = Attack.prepare(stack, people)
        # In a process of its own, as an attacker's are: its sixty threads must not hold up the one that measures.
        # What they compute is computed elsewhere, too: here they get what the services leave of the cores.
        with ProcessPoolExecutor(1, get_context("spawn"), initializer=os.nice, initargs=(19,)) as elsewhere:
            reads = elsewhere.submit(attack.reads, SECONDS)
            beside_reads = read_for(people, reader, SECONDS)
            reads.result()
            answers = elsewhere.submit(attack.commands, SECONDS)
            under_attack = read_for(people, reader, SECONDS)
        print(
            f"others' reads, p95: idle {p95(idle):.0f} ms, beside {AT_A_TIME} reads {p95(beside_reads):.0f} ms,",
            end=" ",
        )
        print(f"beside {AT_A_TIME} commands {p95(under_attack):.0f} ms")
        report(worker, database, answers.result(), before)


def answer_slowly(stack: Stack, people: People, database: Database) -> list[UUID]:
    """Three answers of other users are under way for as long as it takes."""
    fault = {"fault": "say", "question": "Innocent", "text": LONG, "pace_ms": 250, "times": None}
    httpx.post(f"{stack.environment['GEMINI_BASE_URL']}/faults", json=fault).raise_for_status()
    questions = [people.ask(people.make_chat(), "Innocent: why did it work?") for _ in range(3)]
    under_way = "select count(*) from public.chat_replies where status = 'answering'"
    wait_for(lambda: (database.execute(under_way).fetchone() or {}).get("count") == 3, "the answers to be under way")
    return questions


Way = Callable[[httpx.Client], httpx.Response]


@dataclass(frozen=True)
class Attack:
    """Commands of one account, as many at a time."""

    url: str
    headers: dict[str, str]
    sessions: list[str]
    questions: list[str]

    @classmethod
    def prepare(cls, stack: Stack, people: People) -> Self:
        user = people.make_user()
        chats = [people.make_chat(user) for _ in range(6)]
        headers = {
            "apikey": stack.environment["SUPABASE_PUBLISHABLE_KEY"],
            "authorization": f"Bearer {user.token}",
            "prefer": "return=representation",
        }
        questions = [str(people.ask(chat, "a" * 401)) for chat in chats]
        return cls(
            f"{stack.environment['SUPABASE_URL']}/rest/v1", headers, [str(c.session) for c in chats], questions
        )

    def commands(self, seconds: float) -> Counter[str]:
        """How often which answer came."""
        return self._at_a_time(seconds, self._ways)

    def reads(self, seconds: float) -> Counter[str]:
        return self._at_a_time(seconds, self._read)

    def _at_a_time(self, seconds: float, ways_of: Callable[[int], list[Way]]) -> Counter[str]:
        answers: Counter[str] = Counter()
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for number in range(AT_A_TIME):
                pool.submit(self._repeat, ways_of(number)[number % len(ways_of(number))], end, answers)
        return answers

    def _read(self, number: int) -> list[Way]:
        return [lambda http: http.get("/chat_sessions", params={"id": f"eq.{self.sessions[number % 6]}"})]

    def _ways(self, number: int) -> list[Way]:
        session, question = self.sessions[number % 6], self.questions[number % 6]
        return [
            lambda http: http.post("/rpc/cancel_reply", json={"message_id": question}),
            lambda http: http.post("/rpc/retry_reply", json={"message_id": question}),
            lambda http: http.post(
                "/chat_messages",
                # The row's own text, embedded and filtered: for as long as this takes, the insert holds its locks.
                params={"select": "id,chat_sessions!session_belongs_to_user!inner(id)", "content": SLOW},
                json={"session_id": session, "role": "user", "content": "a" * 401},
            ),
        ]

    def _repeat(self, way: Way, end: float, answers: Counter[str]) -> None:
        with httpx.Client(base_url=self.url, headers=self.headers, timeout=30) as http:
            while time.monotonic() < end:
                try:
                    answer = way(http)
                    error = answer.json() if answer.is_error else {}
                    answers[f"{answer.status_code} {error.get('hint') or error.get('code') or ''}".strip()] += 1
                except (httpx.HTTPError, ValueError) as error:
                    answers[type(error).__name__] += 1


def read_for(people: People, chat: Chat, seconds: float) -> list[float]:
    """Milliseconds of one row's read by somebody else, again and again."""
    client, taken, end = people.signed_in(chat.user), [], time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.perf_counter()
        client.get("/chat_sessions", params={"id": f"eq.{chat.session}"}).raise_for_status()
        taken.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.05)
    return taken


def report(
    worker: Metered,
    database: Database,
    answers: Counter[str],
    before: Counter[str],
) -> None:
    lost = sum((worker.counts("postbro_leases_lost_total") - before).values())
    silence = database.execute(
        "select round(extract(epoch from now() - heard_since)) as heard from private.workers"
    ).fetchall()
    statuses = database.execute(
        "select status, count(*) from public.chat_replies r join public.chat_messages m on m.id = r.message_id"
        " where m.content like 'Innocent%' group by status"
    ).fetchall()
    print(f"the attacker's answers: {dict(answers.most_common())}")
    print(f"claims lost: {lost:.0f}; workers heard without a gap for, in s: {[int(row['heard']) for row in silence]}")
    print(f"innocent replies: {[(row['status'], row['count']) for row in statuses]}")


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[18]


if __name__ == "__main__":
    main()
