"""What goes wrong. Each fault is a function that hurts the house, and returns when it is whole again.

It answers the id of the worker that it hit, for the diary; None: it hit no single one.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.chaos.crowd import AT_LENGTH, Crowd
from tests.chaos.diary import DIED, Entry
from tests.chaos.house import LEASE_SECONDS, Worker
from tests.chaos.watch import LONGEST, SLACK, QueueWatch
from tests.people import People
from worker.local.stack import Stack

MODEL_FAULTS: list[dict[str, Any]] = [
    {"fault": "refuse", "status": 503},
    {"fault": "refuse", "status": 429, "retry_info": 0.5},
    {"fault": "refuse", "status": 500},
    {"fault": "refuse", "status": 502, "html": True},
    {"fault": "stall", "after": 3, "seconds": 3},
    {"fault": "stall", "seconds": 3},
    {"fault": "reset"},
    {"fault": "reset", "after": 3},
    {"fault": "close", "after": 2},
    {"fault": "garbage", "after": 2},
    {"fault": "garbage", "kind": "html"},
    {"fault": "error_event", "after": 2},
    {"fault": "finish", "after": 3, "reason": None},
    {"fault": "empty_text"},
    {"fault": "blocked_prompt"},
]
LONG_TEXT = "The hook asks a question, and the answer comes late. " * 10
LONG_TEXT_PIECES = 67
LONG_PACE_MS = 130
FREEZE_STREAM_SECONDS = 15.0
NOTICE_SECONDS = 2.0  # in which a worker sees that its subscription is lost
HUSH_SECONDS = 30.0


@dataclass
class Scene:
    stack: Stack
    workers: list[Worker]
    crowd: Crowd
    random: random.Random
    watch: QueueWatch
    diary: list[Entry] = field(default_factory=list)
    peace_until: float = 0.0
    """No other fault before this, by the monotonic clock."""
    findings: list[str] = field(default_factory=list)
    """What must not be, and is seen while a fault happens."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """What the harness has asked itself, as talks of the crowd, without pages."""

    def rest(self, seconds: float) -> None:
        """Sleep, and start again what died by itself meanwhile, as `make run` does: the API's stand-in is one to.

        A worker that ends is a finding.
        """
        deadline = time.monotonic() + seconds
        looked = datetime.now(UTC)
        while True:
            for service in (self.stack.postgres, self.stack.realtime, self.stack.api, self.stack.model):
                if service.died:
                    with self.watch.disturbed():
                        service.start()
                    self.diary.append(Entry(DIED, looked, datetime.now(UTC)))
            for worker in self.workers:
                if worker.died:
                    self.findings.append(f"{worker.name}: ended by itself, with exit status {worker.exit_code}")
                    worker.start()
            looked = datetime.now(UTC)
            if time.monotonic() >= deadline:
                return
            time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))

    def wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Or until the time is over: under faults, not every wish comes true."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            self.rest(0.1)

    @property
    def mortal(self) -> list[Worker]:
        """Of three or more workers one is never ended: whatever it leaks, it gathers through the whole run."""
        return self.workers[1:] if len(self.workers) > 2 else self.workers

    def ask_model(self, fault: dict[str, Any]) -> None:
        url = f"{self.stack.environment['GEMINI_BASE_URL']}/faults"
        httpx.post(url, json=fault, timeout=5).raise_for_status()

    def holder_of_newest_call(self, among: list[Worker], question: str | None = None) -> Worker:
        """Who has just begun to answer, this question or any; anyone, if nobody does."""
        ids = {worker.id: worker for worker in among}
        row = self._row(
            "select worker_id::text from public.external_api_call_logs"
            " where outcome = 'started' and worker_id::text = any (%s) and message_id = coalesce(%s, message_id)"
            " order by started_at desc limit 1",
            list(ids),
            question,
        )
        return ids[row[0]] if row else self.random.choice(among)

    def ask(self, question: str) -> None:
        """A question of the harness itself, in a chat of its own. `question` is its id."""
        with (
            psycopg.connect(
                self.stack.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row
            ) as connection,
            People(self.stack.environment, connection) as people,
        ):
            session = people.make_chat().session
            connection.execute(
                "insert into public.chat_messages (id, session_id, content) values (%s, %s, %s)",
                [question, session, f"How can I improve this post? {question}"],
            )
        self.asked.append({"session": str(session), "accepted": [question]})

    def worker_that_streams(self, seconds: float) -> Worker:
        """Who has begun to answer a question for which the model takes so long, the first time."""
        question = str(uuid4())
        pace_ms = int(seconds * 1000 / LONG_TEXT_PIECES)
        self.ask_model({"fault": "say", "text": LONG_TEXT, "pace_ms": pace_ms, "question": question})
        self.ask(question)
        has_draft = "select from public.chat_reply_drafts where message_id = %s"
        self.wait(lambda: self._row(has_draft, question) is not None, seconds)
        return self.holder_of_newest_call(self.workers, question)

    def nothing_is_under_way(self) -> bool:
        return self._row("select from private.reply_queue limit 1") is None

    def _row(self, query: str, *parameters: object) -> tuple[Any, ...] | None:
        with psycopg.connect(self.stack.environment["DATABASE_URL"]) as connection:
            return connection.execute(query, parameters).fetchone()


def kill_worker(scene: Scene) -> str:
    worker = scene.holder_of_newest_call(scene.mortal)
    hit = worker.id
    worker.kill()
    scene.rest(scene.random.uniform(0, 2))
    worker.start()
    return hit


def drain_worker(scene: Scene) -> str:
    worker = scene.holder_of_newest_call(scene.mortal)
    hit = worker.id
    status = worker.drain()
    if status != 0:
        scene.findings.append(f"{worker.name}: after SIGTERM its exit status was {status}")
    worker.start()
    return hit


def freeze_worker(scene: Scene) -> str:
    """In mid-stream, for longer than its lease: it wakes up with a claim that is somebody else's by now."""
    # It is left alone until its stream would have come to its end, so that it is seen if it does.
    scene.peace_until = time.monotonic() + FREEZE_STREAM_SECONDS + 2
    worker = scene.worker_that_streams(FREEZE_STREAM_SECONDS)
    worker.signal(signal.SIGSTOP)
    scene.rest(LEASE_SECONDS * scene.random.uniform(1.2, 1.5))
    worker.signal(signal.SIGCONT)
    return worker.id


def kill_realtime(scene: Scene) -> None:
    scene.stack.realtime.kill()
    scene.rest(scene.random.uniform(0.5, 6))
    scene.stack.realtime.start()


def deafen_in_silence(scene: Scene) -> None:
    """Realtime is away, and no answer that ends makes a worker look: only the sweep finds what is asked now."""
    scene.crowd.hush()
    try:
        scene.wait(scene.nothing_is_under_way, HUSH_SECONDS)
        scene.stack.realtime.kill()
        scene.rest(NOTICE_SECONDS)
        scene.ask(str(uuid4()))
        scene.crowd.speak()
        scene.rest(LONGEST + SLACK + 4)
    finally:
        scene.crowd.speak()
    scene.stack.realtime.start()


def kill_api(scene: Scene) -> None:
    scene.stack.api.kill()
    time.sleep(scene.random.uniform(0.2, 3))
    scene.stack.api.start()


def restart_postgres(scene: Scene) -> None:
    """As `pg_ctl -m immediate`: no checkpoint, recovery at the start."""
    scene.stack.postgres.kill()
    time.sleep(scene.random.uniform(0, 2))
    scene.stack.postgres.start()


def cut_connections(scene: Scene) -> None:
    with psycopg.connect(scene.stack.postgres.url("supabase_admin"), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and backend_type in ('client backend', 'walsender')"
        )


def confuse_model(scene: Scene) -> None:
    scene.ask_model({**scene.random.choice(MODEL_FAULTS), "times": scene.random.randint(1, 4)})


Fault = Callable[[Scene], str | None]
# How often each is drawn, by its weight.
FAULTS: dict[Fault, int] = {
    kill_worker: 5,
    drain_worker: 3,
    freeze_worker: 3,
    kill_realtime: 3,
    deafen_in_silence: 1,
    kill_api: 3,
    restart_postgres: 2,
    cut_connections: 2,
    confuse_model: 10,
}
# Through which all leases may be lost, and the queue may stand still, whoever lives.
STANDSTILL: set[Fault] = {kill_api, restart_postgres, cut_connections}


def deck(chance: random.Random) -> Iterator[Fault]:
    """Each once, so that a short run misses none; then for ever by their weights."""
    once = list(FAULTS)
    chance.shuffle(once)
    yield from once
    while True:
        yield from chance.choices(list(FAULTS), weights=list(FAULTS.values()))


def set_the_scene(scene: Scene) -> None:
    long = {"fault": "say", "text": LONG_TEXT, "pace_ms": LONG_PACE_MS, "question": AT_LENGTH, "times": None}
    scene.ask_model(long)


def mend(scene: Scene) -> None:
    """Whatever a fault left behind."""
    for service in (scene.stack.postgres, scene.stack.realtime, scene.stack.api, scene.stack.model):
        service.start()
    for worker in scene.workers:
        worker.signal(signal.SIGCONT)
        worker.start()
    httpx.delete(f"{scene.stack.environment['GEMINI_BASE_URL']}/faults", timeout=5)
