"""Every client of ours at a project's door; each asks twice."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from tests.support.waiting import until
from worker.check import database as check
from worker.check import project as check_project
from worker.check import realtime as check_realtime
from worker.config import WorkerSettings
from worker.database.rpc import Database
from worker.errors import DatabaseAway
from worker.operations.report import OpsReport
from worker.realtime.broadcast import Broadcaster
from worker.web.api.problems import Problem
from worker.web.api.project import Project


def worker_settings(url: str) -> WorkerSettings:
    return WorkerSettings(_env_file=None, supabase_url=url, supabase_secret_key="sb_secret_x", gemini_api_key="x")


async def ask_as_worker(url: str) -> None:
    database = await Database.connect(worker_settings(url), 5.0, 2)
    for _ in range(2):
        with suppress(DatabaseAway):
            await database.ask("ops_queue", {})
    await database.close()


async def ask_as_operator(url: str) -> None:
    ops_report = OpsReport(worker_settings(url))
    for _ in range(2):
        with suppress(DatabaseAway):
            await asyncio.to_thread(ops_report.read)
    ops_report.close()


async def ask_as_page(url: str) -> None:
    project = Project(url, "sb_publishable_x", 2)
    for _ in range(2):
        with suppress(Problem):
            await asyncio.to_thread(project.as_caller("token").read, "chat_sessions")
    project._client.close()


async def ask_as_check(url: str) -> None:
    for _ in range(2):
        with suppress(KeyError):  # an answer without a clock
            await check.ask(url, "sb_secret_x")


async def ask_as_broadcaster(url: str) -> None:
    broadcaster = Broadcaster(worker_settings(url))
    running = asyncio.create_task(broadcaster.run())
    for answer in ("first", "second"):
        broadcaster.send("session", answer, 1, 0, "text")
        await until(lambda: not (broadcaster._waiting or broadcaster._under_way), "the answer to a delta")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await broadcaster.close()


async def ask_as_check_of_the_keys(url: str) -> None:
    for _ in range(2):
        await check_project.reach(url, "sb_secret_x", "sb_publishable_x")


async def ask_as_check_of_broadcasts(url: str) -> None:
    async def hears() -> bool:
        return True

    ear: Any = SimpleNamespace(listen=lambda: None, hears=hears)
    for _ in range(2):
        await check_realtime.hear_the_worker(ear, url, "sb_secret_x")


CLIENTS = [
    ask_as_worker,
    ask_as_broadcaster,
    ask_as_operator,
    ask_as_page,
    ask_as_check,
    ask_as_check_of_the_keys,
    ask_as_check_of_broadcasts,
]

Client = Callable[[str], Awaitable[None]]
