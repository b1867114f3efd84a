"""A worker that has answered much has no more tasks and open files than before: here it lives in this process."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.support.faulty_model import FaultyModel
from tests.support.people import People
from tests.support.waiting import until
from worker import run
from worker.config import WorkerSettings
from worker.local.settings import Ports
from worker.local.stack import Stack
from worker.network import api_http

Database = psycopg.Connection[dict[str, Any]]
# Each a way for an answer to end; for "stop", somebody stops it in mid-stream.
WAYS: dict[str, dict[str, Any]] = {
    "answer": {"fault": "say", "text": "Because."},
    "failure": {"fault": "blocked_prompt"},
    "broken": {"fault": "reset", "after": 2},
    "stop": {"fault": "stall", "after": 3},
}
EACH = 6
MORE_FILES = 5  # connections are kept for the next call, as many as were needed at once
PATIENCE = 40.0


@pytest.fixture
async def worker_here(house: Stack) -> AsyncIterator[None]:
    """The whole of `python -m worker run`, in this process and its event loop."""
    for running in house.services.values():
        running.start()
    house.worker.stop()
    port = Ports.free().worker
    settings = WorkerSettings(
        _env_file=None,
        supabase_url=house.environment["SUPABASE_URL"],
        supabase_secret_key=house.environment["SUPABASE_SECRET_KEY"],
        gemini_api_key="offline",
        gemini_base_url=house.environment["GEMINI_BASE_URL"],
        health_port=port,
        ops_port=0,
    )
    task = asyncio.create_task(run.run(settings, when_stopping=lambda seconds: None), name="the worker")

    async def is_ready() -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    for _ in range(200):
        if await is_ready():
            break
        await asyncio.sleep(0.1)
    assert await is_ready()
    yield
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 20)


async def test_tasks_and_files_are_no_more_than_before(
    worker_here: None, people: People, database: Database, faulty_model: FaultyModel
) -> None:
    await answer_in_every_way(people, database, faulty_model, EACH)  # what is opened once, and kept
    await until(lambda: is_at_rest(tasks()), "the first replies to be over")
    before, files_before = tasks(), files()

    await answer_in_every_way(people, database, faulty_model, EACH)

    await until(lambda: tasks() <= before, f"the tasks to be {dict(before)} again", 15)
    await until(lambda: files() <= files_before + MORE_FILES, f"the files to be {files_before} again", 15)


async def answer_in_every_way(people: People, database: Database, model: FaultyModel, each: int) -> None:
    asked: list[UUID] = []
    for way, fault in WAYS.items():
        for _ in range(each):
            chat, marker = people.make_chat(), uuid4().hex
            model.add(question=marker, **fault)
            question = people.ask(chat, f"Why? {marker}")
            asked.append(question)
            if way == "stop":
                await until(partial(has_draft, database, question), "a draft", PATIENCE)
                with people.signed_in(chat.user) as owner:
                    owner.post("/rpc/cancel_reply", json={"message_id": str(question)}).raise_for_status()
    await until(lambda: are_over(database, asked), "the ends of all replies", PATIENCE)


def is_at_rest(found: Counter[str]) -> bool:
    """It answers nothing, and the next claim waits: for a wake-up, or for the lease."""
    return "answer" not in found and found["wait"] == 2


def tasks() -> Counter[str]:
    """By name; an answer's is of its message, and the libraries' are numbered."""
    # But for requests under way, which a worker at rest makes as well, each for a moment.
    names = (task.get_name() for task in asyncio.all_tasks() - api_http._under_way)
    return Counter("Task" if name.startswith("Task-") else name.split(" ")[0] for name in names)


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def has_draft(database: Database, question: UUID) -> bool:
    found = database.execute("select message_id from private.draft_pieces where message_id = %s", [question])
    return found.fetchone() is not None


def are_over(database: Database, questions: list[UUID]) -> bool:
    waiting = database.execute(
        "select message_id from public.chat_replies where message_id = any (%s) and finished_at is null", [questions]
    )
    return waiting.fetchone() is None
