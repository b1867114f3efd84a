"""One run: a crowd asks, faults happen, and what is left is judged. Everything random comes from one seed."""

import json
import random
import subprocess
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from tests.chaos import faults
from tests.chaos.house import Worker, house
from tests.chaos.verdict import Evidence, violations
from tests.chaos.watch import QueueWatch
from tests.people import People
from worker.local.stack import NODE, Stack

CROWD = Path(__file__).with_name("crowd.mjs")
QUIET_SECONDS = 180.0
MORE_FILES = 20
MORE_MEMORY_KB = 80_000
# Faults through which the queue stands still, whoever lives.
STANDSTILL = {faults.kill_api, faults.restart_postgres, faults.cut_connections}


@dataclass(frozen=True)
class Plan:
    seconds: float
    workers: int
    users: int
    messages: int
    seed: int
    quiet: float = 2.0
    """Longest pause between two faults, in seconds."""
    environment: dict[str, str] = field(default_factory=dict)
    """More settings for the workers."""


@dataclass
class Report:
    plan: Plan
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    lost: int = 0
    resent: int = 0
    reconnects: int = 0
    worst_overdue_seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def as_text(self) -> str:
        return json.dumps({**asdict(self), "faults": dict(self.faults), "outcomes": dict(self.outcomes)}, indent=2)


def run(plan: Plan, directory: Path) -> Report:
    report = Report(plan)
    with house(directory, plan.workers, plan.environment) as (stack, workers):
        baseline = {worker.pid: worker.footprint() for worker in workers}
        crowd = _start_crowd(plan, stack)
        watch = QueueWatch(stack.postgres.url("supabase_admin"))
        try:
            _hurt(plan, stack, workers, watch, report)
            _wait_for_quiet(stack, crowd, plan)
            talks = _end(crowd)
        finally:
            watch.stop()
            crowd.kill()
        _judge(report, stack, talks, _calls(directory))
        report.worst_overdue_seconds = round(watch.worst, 1)
        report.violations += [*watch.violations, *_leaks(workers, baseline)]
    return report


def _start_crowd(plan: Plan, stack: Stack) -> subprocess.Popen[str]:
    chance = random.Random(plan.seed)  # noqa: S311
    with (
        psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection,
        People(stack.environment, connection) as people,
    ):
        chats = [people.make_chat() for _ in range(plan.users)]
    told = {
        "url": stack.environment["SUPABASE_URL"],
        "key": stack.environment["SUPABASE_PUBLISHABLE_KEY"],
        "seed": plan.seed,
        "pauseMs": plan.seconds * 1000 / plan.messages,
        "people": [
            {
                "token": chat.user.token,
                "sessions": [{"id": str(chat.session), "questions": _questions(plan.messages, chance)}],
            }
            for chat in chats
        ],
    }
    crowd = subprocess.Popen([str(NODE), str(CROWD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert crowd.stdin
    crowd.stdin.write(json.dumps(told) + "\n")
    crowd.stdin.flush()
    return crowd


def _questions(number: int, chance: random.Random) -> list[dict[str, str]]:
    asked = ("How many likes did it get?", "How can I improve this post?", "Why did it work?", "Sum it up.")
    questions = []
    for _ in range(number):
        question = str(UUID(int=chance.getrandbits(128), version=4))
        questions.append({"id": question, "text": f"{chance.choice(asked)} {question}"})
    return questions


def _hurt(plan: Plan, stack: Stack, workers: list[Worker], watch: QueueWatch, report: Report) -> None:
    scene = faults.Scene(stack, workers, random.Random(plan.seed))  # noqa: S311
    deadline = time.monotonic() + plan.seconds
    while time.monotonic() < deadline:
        fault = faults.draw(scene)
        report.faults[fault.__name__] += 1
        if fault in STANDSTILL or (len(workers) == 1 and fault is not faults.confuse_model):
            with watch.disturbed():
                fault(scene)
        else:
            fault(scene)
        time.sleep(scene.random.uniform(0, plan.quiet))
    with watch.disturbed():
        faults.mend(scene)


def _wait_for_quiet(stack: Stack, crowd: subprocess.Popen[str], plan: Plan) -> None:
    """Everything asked, and nothing unfinished; or long enough: the verdict names what is left."""
    deadline = time.monotonic() + QUIET_SECONDS
    asked = plan.users * plan.messages
    while time.monotonic() < deadline and crowd.poll() is None:
        with psycopg.connect(stack.environment["DATABASE_URL"]) as connection:
            row = connection.execute(
                "select count(*), count(*) filter (where status in ('pending', 'answering')) from public.chat_replies"
            ).fetchone()
        if row == (asked, 0):
            return
        time.sleep(0.5)


def _end(crowd: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, _ = crowd.communicate("end\n", timeout=120)
    talks: list[dict[str, Any]] = json.loads(out)
    return talks


def _calls(directory: Path) -> list[dict[str, Any]]:
    log = directory / "calls.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _judge(report: Report, stack: Stack, talks: list[dict[str, Any]], calls: list[dict[str, Any]]) -> None:
    with psycopg.connect(stack.environment["DATABASE_URL"], row_factory=dict_row) as connection:
        rows = lambda query: connection.execute(query).fetchall()  # noqa: E731
        evidence = Evidence(
            talks=talks,
            questions=rows("select id, turn from public.chat_messages where role = 'user'"),
            answers=rows("select reply_to, content from public.chat_messages where role = 'assistant'"),
            replies=rows("select message_id, status, error_code, finished_at from public.chat_replies"),
            ledger=rows("select message_id, attempt, outcome, model_requested from public.external_api_call_logs"),
            queue=rows("select message_id from private.reply_queue"),
            calls=calls,
        )
    report.violations += violations(evidence)
    report.calls = len(calls)
    report.lost = sum(row["outcome"] == "lost" for row in evidence.ledger)
    report.outcomes = Counter(row["error_code"] or row["status"] for row in evidence.replies)
    report.resent = sum(talk["retries"] for talk in talks)
    report.reconnects = sum(talk["reconnects"] for talk in talks)


def _leaks(workers: list[Worker], baseline: dict[int | None, tuple[int, int]]) -> list[str]:
    """Of the workers that lived through it all."""
    found = []
    for worker in workers:
        if worker.pid not in baseline:
            continue
        files, memory = worker.footprint()
        if files > baseline[worker.pid][0] + MORE_FILES:
            found.append(f"{worker.name}: {baseline[worker.pid][0]} open files at first, {files} at the end")
        if memory > baseline[worker.pid][1] + MORE_MEMORY_KB:
            found.append(f"{worker.name}: {baseline[worker.pid][1]} kB at first, {memory} kB at the end")
    return found
