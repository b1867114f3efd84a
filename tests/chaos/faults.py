"""What goes wrong. Each fault is a function that hurts the house, and returns when it is whole again.

It answers the id of the worker that it hit, for the diary; None: it hit no single one.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg

from tests.chaos.api_faults import exhaust_pool, install_slow_view, lose_claims, refuse_calls
from tests.chaos.crowd import AT_LENGTH
from tests.chaos.house import LEASE_SECONDS
from tests.chaos.row_faults import delete_chats, hold_snapshot, poison_rows, work_by_hand
from tests.chaos.scene import LONG_TEXT, Scene
from tests.chaos.watch import LONGEST_OF_DEAD, SLACK

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
LONG_PACE_MS = 130
FREEZE_STREAM_SECONDS = 15.0
NOTICE_SECONDS = 2.0  # in which a worker sees that its subscription is lost
HUSH_SECONDS = 30.0
WHOLE_SECONDS = 20.0


def kill_worker(scene: Scene) -> str:
    """SIGKILL in the middle of an answer, and started again."""
    worker = scene.holder_of_newest_call(scene.mortal)
    hit = worker.id
    worker.kill()
    scene.asked.endings.append(datetime.now(UTC))
    scene.rest(scene.random.uniform(0, 2))
    worker.start()
    return hit


def drain_worker(scene: Scene) -> str:
    """SIGTERM in the middle of an answer: it ends in time with exit status 0, and is started again."""
    worker = scene.holder_of_newest_call(scene.mortal)
    hit = worker.id
    status = worker.drain()
    if status != 0:
        scene.findings.append(f"{worker.name}: after SIGTERM its exit status was {status}")
    worker.start()
    return hit


def freeze_worker(scene: Scene) -> str:
    """In mid-stream, for longer than its life: it wakes up with a claim that is somebody else's by now."""
    # It is left alone until its stream would have come to its end, so that it is seen if it does.
    scene.peace_until = time.monotonic() + FREEZE_STREAM_SECONDS + 2
    question = scene.ask(seconds=FREEZE_STREAM_SECONDS)
    scene.wait(lambda: scene.is_being_asked(question), FREEZE_STREAM_SECONDS)
    worker = scene.holder_of_newest_call(scene.workers, question)
    hit = worker.id
    worker.signal(signal.SIGSTOP)
    scene.asked.endings.append(datetime.now(UTC))
    # Whoever buries it must have been heard for a whole life itself, and looks when that is over.
    scene.rest(LEASE_SECONDS * scene.random.uniform(1.3, 1.6))
    worker.signal(signal.SIGCONT)
    return hit


def freeze_all(scene: Scene) -> None:
    """For longer than their life: all look dead, and the first that wakes up must not bury the others."""
    for worker in scene.workers:
        worker.signal(signal.SIGSTOP)
    scene.rest(LEASE_SECONDS * scene.random.uniform(1.2, 1.5))
    for worker in scene.workers:
        worker.signal(signal.SIGCONT)
    scene.wait(lambda: all(worker.is_ready() for worker in scene.workers), WHOLE_SECONDS)


def kill_realtime(scene: Scene) -> None:
    """For some seconds: no wake-up is heard, and no page is told anything."""
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
        question = scene.ask()
        # A moment longer than it may be overdue: the watch sees it then.
        scene.wait(lambda: scene.status(question) != "pending", LONGEST_OF_DEAD + SLACK + 4)
    finally:
        scene.crowd.speak()
    scene.stack.realtime.start()


def kill_api(scene: Scene) -> None:
    """For some seconds: every call of workers and pages breaks."""
    scene.stack.api.kill()
    time.sleep(scene.random.uniform(0.2, 3))
    scene.stack.api.start()


def restart_postgres(scene: Scene) -> None:
    """As `pg_ctl -m immediate`: no checkpoint, recovery at the start."""
    scene.stack.postgres.kill()
    time.sleep(scene.random.uniform(0, 2))
    scene.stack.postgres.start()


def cut_connections(scene: Scene) -> None:
    """All connections to Postgres, those of the API and of Realtime."""
    with psycopg.connect(scene.stack.postgres.url("supabase_admin"), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and backend_type in ('client backend', 'walsender')"
        )


def confuse_model(scene: Scene) -> None:
    """The next calls to the model meet one of the faults above."""
    scene.ask_model({**scene.random.choice(MODEL_FAULTS), "times": scene.random.randint(1, 4)})


Fault = Callable[[Scene], str | None]
# How often each is drawn, by its weight.
FAULTS: dict[Fault, int] = {
    kill_worker: 5,
    drain_worker: 3,
    freeze_worker: 3,
    freeze_all: 2,
    kill_realtime: 3,
    deafen_in_silence: 1,
    kill_api: 3,
    refuse_calls: 3,
    lose_claims: 3,
    exhaust_pool: 2,
    restart_postgres: 2,
    cut_connections: 2,
    poison_rows: 2,
    hold_snapshot: 1,
    delete_chats: 3,
    work_by_hand: 2,
    confuse_model: 10,
}
# Through which all leases may be lost, and the queue may stand still, whoever lives.
STANDSTILL: set[Fault] = {freeze_all, kill_api, refuse_calls, exhaust_pool, restart_postgres, cut_connections}


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
    install_slow_view(scene)


def mend(scene: Scene) -> None:
    """Whatever a fault left behind."""
    scene.gateway.refuse(0)
    scene.gateway.lose_claims(0)
    for service in (scene.stack.postgres, scene.stack.realtime, scene.stack.api, scene.stack.model):
        service.start()
    for worker in scene.workers:
        worker.signal(signal.SIGCONT)
        worker.start()
    httpx.delete(f"{scene.stack.environment['GEMINI_BASE_URL']}/faults", timeout=5)
