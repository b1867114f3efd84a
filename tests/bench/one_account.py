"""Sixty commands at a time of one account, for thirty seconds: what others notice of it.

python -m tests.bench.one_account
"""

import statistics
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.bench.crew import Metered, crew
from tests.people import Chat, People
from tests.waiting import wait_for
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
        with attack(stack, people) as answers:
            under_attack = read_for(people, reader, SECONDS)
        report(worker, database, idle, under_attack, answers, before)


def answer_slowly(stack: Stack, people: People, database: psycopg.Connection) -> list[UUID]:
    """Three answers of other users are under way for as long as it takes."""
    fault = {"fault": "say", "question": "Innocent", "text": LONG, "pace_ms": 250, "times": None}
    httpx.post(f"{stack.environment['GEMINI_BASE_URL']}/faults", json=fault).raise_for_status()
    questions = [people.ask(people.make_chat(), "Innocent: why did it work?") for _ in range(3)]
    under_way = "select count(*) from public.chat_replies where status = 'answering'"
    wait_for(lambda: database.execute(under_way).fetchone()["count"] == 3, "the answers to be under way")
    return questions


class attack:
    """Commands of one account, as many at a time; their statuses are counted."""

    def __init__(self, stack: Stack, people: People) -> None:
        self._url = f"{stack.environment['SUPABASE_URL']}/rest/v1"
        self._chats = [people.make_chat(user) for user in [people.make_user()] for _ in range(6)]
        self._questions = [people.ask(chat, "a" * 401) for chat in self._chats]
        self._headers = {
            "apikey": stack.environment["SUPABASE_PUBLISHABLE_KEY"],
            "authorization": f"Bearer {self._chats[0].user.token}",
            "prefer": "return=representation",
        }
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(AT_A_TIME)
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Counter[str]:
        for number in range(AT_A_TIME):
            self._pool.submit(self._command, number)
        return self.answers

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()

    def _command(self, number: int) -> None:
        chat, question = self._chats[number % 6], str(self._questions[number % 6])
        ways = (
            lambda http: http.post("/rpc/cancel_reply", json={"message_id": question}),
            lambda http: http.post("/rpc/retry_reply", json={"message_id": question}),
            lambda http: http.post(
                "/chat_messages",
                # The row's own text, embedded and filtered: for as long as this takes, the insert holds its locks.
                params={"select": "id,m:chat_sessions!inner(id)", "content": SLOW},
                json={"session_id": str(chat.session), "role": "user", "content": "a" * 401},
            ),
        )
        with httpx.Client(base_url=self._url, headers=self._headers, timeout=30) as http:
            while not self._over.is_set():
                try:
                    answer = ways[number % len(ways)](http)
                    hint = answer.json().get("hint") if answer.is_error else None
                    self.answers[f"{answer.status_code} {hint or ''}".strip()] += 1
                except (httpx.HTTPError, ValueError) as error:
                    self.answers[type(error).__name__] += 1


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
    database: psycopg.Connection,
    idle: list[float],
    under_attack: list[float],
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
    print(f"others' reads: idle p95 {p95(idle):.0f} ms, under attack p95 {p95(under_attack):.0f} ms")
    print(f"the attacker's answers: {dict(answers.most_common())}")
    print(f"claims lost: {lost:.0f}; workers heard without a gap for, in s: {[int(row['heard']) for row in silence]}")
    print(f"innocent replies: {[(row['status'], row['count']) for row in statuses]}")


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[18]


if __name__ == "__main__":
    main()
