"""SIGTERM while all that the worker talks to hangs: it is gone in the time that worker/README.md gives it."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.support.asked import draft
from tests.support.faulty_model import FaultyModel
from tests.support.people import People
from tests.support.waiting import wait_for
from worker.local.processes import Service
from worker.local.stack import Stack
from worker.run import GOODBYE_SECONDS

Database = psycopg.Connection[dict[str, Any]]
GRACE_SECONDS = 2


@contextmanager
def hanging(*services: Service) -> Iterator[None]:
    """They take connections, and say nothing."""
    pids = [service.pid for service in services if service.pid is not None]
    assert len(pids) == len(services)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def deaf() -> Iterator[str]:
    """Where traces may be sent, and are never read."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_it_is_gone_in_time_and_in_order(
    house: Stack,
    worker_with: Callable[..., Service],
    people: People,
    database: Database,
    faulty_model: FaultyModel,
    deaf: str,
) -> None:
    worker = worker_with(SHUTDOWN_GRACE_SECONDS=GRACE_SECONDS, OTEL_EXPORTER_OTLP_ENDPOINT=deaf)
    marker = uuid4().hex
    faulty_model.add("stall", question=marker, after=3)
    question = people.ask(people.make_chat(), f"How can I improve this post? {marker}")
    wait_for(lambda: draft(database, question), "something to be shown", 30)
    try:
        with hanging(house.api, house.realtime):
            with pytest.raises(httpx.ReadTimeout):
                # The operator's figures are being read, too.
                httpx.get(f"http://127.0.0.1:{house.ports.ops}/ops/report.json", timeout=0.5)
            asked = time.monotonic()
            worker.ask_to_stop()
            wait_for(lambda: not worker.running, "the worker to go", GRACE_SECONDS + GOODBYE_SECONDS)
            assert time.monotonic() - asked < GRACE_SECONDS + GOODBYE_SECONDS
            assert worker.exit_code == 0, worker.log_tail()
    finally:
        faulty_model.forget()
        house.worker.start()
    # Nothing was released: the next one takes it once this one's life is over.
    wait_for(
        lambda: (
            (
                database.execute(
                    "select status from public.chat_replies where message_id = %s", [question]
                ).fetchone()
                or {}
            ).get("status")
            == "completed"
        ),
        "the answer",
        60,
    )
