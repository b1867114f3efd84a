"""Three hundred questions at once, a limit of 60 calls in 3 s, and 1, 4 and 16 workers; and claims for a question.

python -m tests.bench.burst [WORKERS …]
"""

import json
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from functools import partial
from pathlib import Path

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.bench.crew import Metered, crew
from tests.support.burst import Burst, Database, most_in_any
from tests.support.people import People
from tests.support.waiting import wait_for
from worker.local.stack import Stack

LIMIT, MINUTE = 60, 3.0
MODEL = "gemini-3.5-flash-lite"
SINGLE_QUESTIONS = 20
MARKER = "burst"
# What looks by the clock, whether there are questions or not.
BY_THE_CLOCK = ("sweep", "due", "start", "admission")


def main() -> None:
    for workers in [int(word) for word in sys.argv[1:]] or [1, 4, 16]:
        with (
            tempfile.TemporaryDirectory() as directory,
            crew(Path(directory), workers, GEMINI_MODELS=MODEL, GEMINI_RATE_LIMIT=f"{LIMIT}/{MINUTE:g}") as (
                stack,
                all_,
            ),
            psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as database,
        ):
            time.sleep(MINUTE * 2)  # the workers' shares are whole by then
            claims = measure_claims(stack, database, all_)
            print(
                f"{workers:2d} workers: {claims:.1f} claims a question; {measure_burst(stack, database)}", flush=True
            )


def measure_claims(stack: Stack, database: Database, workers: list[Metered]) -> float:
    """Of single questions, one after the other, in an idle queue; without those that the clock leads to."""
    with People(stack.environment, database) as people:
        before = count_claims(workers)
        for _ in range(SINGLE_QUESTIONS):
            question = people.ask(people.make_chat())
            wait_for(partial(is_over, database, question), "its answer", 30)
            time.sleep(0.3)
        return (count_claims(workers) - before) / SINGLE_QUESTIONS


def is_over(database: Database, question: object) -> bool:
    row = database.execute("select status from public.chat_replies where message_id = %s", [question]).fetchone()
    return row is not None and row["status"] == "completed"


def count_claims(workers: list[Metered]) -> float:
    counts: Counter[str] = Counter()
    for worker in workers:
        counts += worker.counts("postbro_claims_total")
    return sum(value for labels, value in counts.items() if not any(f'"{cause}"' in labels for cause in BY_THE_CLOCK))


def measure_burst(stack: Stack, database: Database) -> str:
    for fault in (
        {"fault": "limit", "calls": LIMIT, "seconds": MINUTE},
        {"fault": "say", "text": "Many.", "pace_ms": 0},
    ):
        url = f"{stack.environment['GEMINI_BASE_URL']}/faults"
        httpx.post(url, json={**fault, "question": MARKER, "times": None}).raise_for_status()
    burst, begun = Burst.ask(database, MARKER), time.monotonic()
    unfinished = {"pending", "answering"}
    wait_for(lambda: not unfinished & {row["status"] for row in burst.replies(database)}, "all to be over", 200)
    took = time.monotonic() - begun
    lines = (stack.directory / "calls.jsonl").read_text().splitlines()
    calls = [call for call in map(json.loads, lines) if MARKER in json.dumps(call["body"]["contents"][-1])]
    times = [datetime.fromisoformat(call["time"]).timestamp() for call in calls]
    statuses = dict(Counter(row["status"] for row in burst.replies(database)))
    most = most_in_any(MINUTE, times)
    ledger = dict(Counter(row["outcome"] for row in burst.ledger(database)))
    refused = sum(call["status"] == httpx.codes.TOO_MANY_REQUESTS for call in calls)
    return (
        f"{len(burst.questions)} questions in {took:.1f} s: {statuses}, {len(calls)} calls, ledger {ledger},"
        f" {refused} refused, at most {most} in {MINUTE:g} s = {most / LIMIT:.2f} x limit"
    )


if __name__ == "__main__":
    main()
