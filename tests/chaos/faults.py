"""What goes wrong. Each fault is a function that hurts the house, and returns when it is whole again."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from tests.chaos.house import LEASE_SECONDS, Worker
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


@dataclass
class Scene:
    stack: Stack
    workers: list[Worker]
    random: random.Random

    def any_worker(self) -> Worker:
        return self.random.choice(self.workers)


def kill_worker(scene: Scene) -> None:
    worker = scene.any_worker()
    worker.kill()
    time.sleep(scene.random.uniform(0, 2))
    worker.start()


def drain_worker(scene: Scene) -> None:
    worker = scene.any_worker()
    worker.stop()
    worker.start()


def freeze_worker(scene: Scene) -> None:
    """Longer than its lease: it wakes up with claims that are somebody else's by now."""
    worker = scene.any_worker()
    worker.signal(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS * scene.random.uniform(1.2, 1.8))
    worker.signal(signal.SIGCONT)


def kill_realtime(scene: Scene) -> None:
    scene.stack.realtime.kill()
    time.sleep(scene.random.uniform(0.5, 6))
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
    fault = {**scene.random.choice(MODEL_FAULTS), "times": scene.random.randint(1, 4)}
    httpx.post(f"{scene.stack.environment['GEMINI_BASE_URL']}/faults", json=fault, timeout=5).raise_for_status()


Fault = Callable[[Scene], None]
# How often each is drawn, by its weight.
FAULTS: dict[Fault, int] = {
    kill_worker: 5,
    drain_worker: 3,
    freeze_worker: 3,
    kill_realtime: 3,
    kill_api: 3,
    restart_postgres: 2,
    cut_connections: 2,
    confuse_model: 10,
}


def draw(scene: Scene) -> Fault:
    return scene.random.choices(list(FAULTS), weights=list(FAULTS.values()))[0]


def mend(scene: Scene) -> None:
    """Whatever a fault left behind."""
    for service in (scene.stack.postgres, scene.stack.realtime, scene.stack.api, scene.stack.model):
        service.start()
    for worker in scene.workers:
        worker.signal(signal.SIGCONT)
        worker.start()
    httpx.delete(f"{scene.stack.environment['GEMINI_BASE_URL']}/faults", timeout=5)
