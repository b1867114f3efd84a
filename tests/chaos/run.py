"""One run: a crowd asks, faults happen, and what is left is judged. Everything random comes from one seed."""

import json
import random
import statistics
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from tests.chaos import faults
from tests.chaos.calls import calls
from tests.chaos.crowd import Crowd
from tests.chaos.diary import DIED, Entry
from tests.chaos.failures import failures
from tests.chaos.house import LEASE_SECONDS, SWEEP_SECONDS, Footprint, Worker, house
from tests.chaos.losses import losses
from tests.chaos.report import Plan, Report
from tests.chaos.scene import Scene
from tests.chaos.verdict import Evidence, violations
from tests.chaos.watch import QueueWatch

LONGEST_PAUSE = 1.0  # seconds between two faults
QUIET_SECONDS = 180.0
SETTLE_SECONDS = 20.0
# In which the last dead worker is buried.
BURIAL_SECONDS = 2 * LEASE_SECONDS + SWEEP_SECONDS + 5
# More than a worker that has just started has, after what may be kept for the next call.
MORE_FILES = 20
MORE_THREADS = 10
MORE_MEMORY_KB = 80_000
# What should not be there at the end. The parameter: the ids of the workers that live.
LEFT = {
    "still in the queue": "select message_id from private.reply_queue",
    "a draft is left": "select distinct message_id from private.draft_pieces",
    "a worker that is gone was not buried": "select id from private.workers where id::text <> all (%s)",
}
# Lines that tell of a defect: whatever the API answers, a worker must know it for what it is.
COMPLAINTS = {
    "answer_refused", "claim_refused", "reply_dropped", "reply_unreadable", "task_failed", "task_refused", "unheard",
    "waited_too_long",
}  # fmt: skip


def run(plan: Plan, directory: Path) -> Report:
    """The house is built in `directory`; its logs stay there."""
    report = Report(plan)
    with house(directory, plan.workers, plan.seed, plan.sabotage, plan.hosted_manners) as (stack, gateway, workers):
        fresh = [worker.footprint() for worker in workers]
        crowd = Crowd(stack, plan.users, plan.messages, plan.seconds, plan.seed)
        begun = datetime.now(UTC)
        watch = QueueWatch(stack.postgres.url("supabase_admin"))
        try:
            scene = Scene(stack, gateway, workers, crowd, random.Random(plan.seed), watch)  # noqa: S311
            _hurt(plan, scene, report)
            _wait_for_quiet(scene)
            talks = crowd.end()
        finally:
            watch.stop()
            crowd.kill()
        evidence = _evidence(scene, talks, directory / "calls.jsonl")
        _count(report, evidence, begun)
        report.starved, report.worst_overdue = len(watch.starved), round(watch.worst, 1)
        report.refused, report.claims_lost = gateway.refused, gateway.lost
        report.troubles = _troubles(directory / "logs" / "manners.log")
        for judge in (violations, failures, losses, calls):
            report.violations += judge(evidence)
        report.violations += [*scene.findings, *watch.violations, *_leaks(report, workers, fresh)]
    return report


def _hurt(plan: Plan, scene: Scene, report: Report) -> None:
    faults.set_the_scene(scene)
    deadline = time.monotonic() + plan.seconds
    for number, fault in enumerate(faults.deck(random.Random(plan.seed))):  # noqa: S311
        if number >= len(faults.FAULTS) and time.monotonic() > deadline:
            break
        pause = scene.random.uniform(0, LONGEST_PAUSE)
        scene.rest(max(pause, scene.peace_until - time.monotonic()))
        report.faults[fault.__name__] += 1
        begun = datetime.now(UTC)
        if fault in faults.STANDSTILL or (len(scene.workers) == 1 and fault is not faults.confuse_model):
            with scene.watch.disturbed():
                hit = fault(scene)
        else:
            hit = fault(scene)
        scene.diary.append(Entry(fault.__name__, begun, datetime.now(UTC), hit))
    scene.rest(max(0.0, scene.peace_until - time.monotonic()))
    with scene.watch.disturbed():
        faults.mend(scene)


def _wait_for_quiet(scene: Scene) -> None:
    """Everything asked, and nothing unfinished; or long enough: the verdict names what is left."""
    deadline = time.monotonic() + QUIET_SECONDS
    unfinished = "select count(*) from public.chat_replies where status in ('pending', 'answering')"
    while time.monotonic() < deadline and scene.crowd.is_alive:
        if scene.crowd.has_asked and scene.row(unfinished) == (0,):
            return
        scene.rest(0.5)


def _evidence(scene: Scene, talks: list[dict[str, Any]], log: Path) -> Evidence:
    left = _left(scene)
    with psycopg.connect(scene.stack.environment["DATABASE_URL"], row_factory=dict_row) as connection:

        def rows(query: LiteralString) -> list[dict[str, Any]]:
            return connection.execute(query).fetchall()

        return Evidence(
            talks=[*talks, *scene.asked.talks],
            questions=rows("select id, session_id, turn, created_at from public.chat_messages where role = 'user'"),
            answers=rows(
                "select reply_to, version, content, finish_reason from public.chat_messages where role = 'assistant'"
            ),
            replies=rows("select * from public.chat_replies"),
            ledger=rows("select * from public.external_api_call_logs"),
            calls=[json.loads(line) for line in log.read_text().splitlines()] if log.exists() else [],
            left=left,
            reconciler=rows("select mended, set_aside from private.reconciler")[0],
            diary=[*scene.diary, *scene.watch.starved],
            complaints=[
                f"{worker.name}: {line['action']}: {line.get('reason') or line.get('error') or line.get('event')}"
                for worker in scene.workers
                for line in worker.lines(of_all_starts=True)
                if line["action"] in COMPLAINTS
            ],
            asked=scene.asked,
        )


def _left(scene: Scene) -> list[str]:
    """After a while: nobody is buried at once."""
    found: list[str] = []

    def nothing_is_left() -> bool:
        living = [worker.id for worker in scene.workers]
        with scene.connect() as connection:
            found[:] = [
                f"{row[0]}: {words}"
                for words, query in LEFT.items()
                for row in connection.execute(query, [living] if "%s" in query else None).fetchall()
            ]
        return not found

    scene.wait(nothing_is_left, BURIAL_SECONDS)
    return found


def _count(report: Report, evidence: Evidence, begun: datetime) -> None:
    report.messages = len(evidence.questions)
    report.died = sum(entry.fault == DIED for entry in evidence.diary)
    report.calls = len(evidence.calls)
    report.versions = sum(row["version"] > 1 for row in evidence.answers)
    report.edits = sum(len(talk.get("replaced", [])) for talk in evidence.talks)
    report.attempts = Counter(row["outcome"] for row in evidence.ledger)
    report.retries = len(evidence.ledger) - len({row["message_id"] for row in evidence.ledger})
    report.outcomes = Counter(row["error_code"] or row["status"] for row in evidence.replies)
    report.resent = sum(talk.get("retries", 0) for talk in evidence.talks)
    report.reconnects = sum(talk.get("reconnects", 0) for talk in evidence.talks)
    report.asked_at = _quantiles([(row["created_at"] - begun).total_seconds() for row in evidence.questions])
    waits = {
        str(row["message_id"]): (row["finished_at"] - row["created_at"]).total_seconds()
        for row in evidence.replies
        if row["finished_at"]
    }
    report.waits = _quantiles(list(waits.values()))
    report.longest_waits = dict(sorted(waits.items(), key=lambda each: -each[1])[:3])


def _quantiles(values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return {}
    twentieths = statistics.quantiles(values, n=20, method="inclusive")
    return {"5 %": twentieths[0], "half": twentieths[9], "95 %": twentieths[18], "longest": max(values)}


def _troubles(log: Path) -> Counter[str]:
    """Bursts of them, by kind."""
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(line.partition("trouble: ")[2] for line in lines if "trouble: " in line)


def _leaks(report: Report, workers: list[Worker], fresh: list[Footprint]) -> list[str]:
    """What each has more than workers that have just started; a while after the last reply."""
    files, threads = (max(getattr(each, name) for each in fresh) for name in ("files", "threads"))
    memory = max(each.memory for each in fresh)
    most = Footprint(files + MORE_FILES, threads + MORE_THREADS, memory + MORE_MEMORY_KB)
    found = []
    for worker in workers:
        has = _settled_footprint(worker, most)
        report.footprints[worker.name] = f"{has}; at most {most}"
        for name in ("files", "threads", "memory"):
            if getattr(has, name) > getattr(most, name):
                found.append(f"{worker.name}: {has}, and that is more than {most}")
                break
    return found


def _settled_footprint(worker: Worker, most: Footprint) -> Footprint:
    deadline = time.monotonic() + SETTLE_SECONDS
    while (has := worker.footprint()).files > most.files and time.monotonic() < deadline:
        time.sleep(0.5)
    return has
