"""A broadcaster, the server that it sends to, and what it sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tests.support.scripted_model import Exchange, Request, Script, ScriptedModel
from tests.support.waiting import until
from worker.config import WorkerSettings
from worker.realtime.broadcast import Broadcaster
from worker.telemetry import metrics

Sending = tuple[ScriptedModel, Broadcaster]
BOUND = 5  # seconds; what takes as long has failed


async def accepts(exchange: Exchange) -> None:
    await exchange.answer(202, {})


async def refuses(exchange: Exchange) -> None:
    await exchange.answer(429, {})


class Gate:
    """A script that answers once it is opened."""

    def __init__(self, script: Script = accepts) -> None:
        self._open = asyncio.Event()
        self._script = script

    async def __call__(self, exchange: Exchange) -> None:
        await self._open.wait()
        await self._script(exchange)

    def open(self) -> None:
        self._open.set()


def payloads_of(request: Request) -> list[dict[str, Any]]:
    return [message["payload"] for message in request.body["messages"]]


def payloads(server: ScriptedModel) -> list[dict[str, Any]]:
    return [payload for request in server.requests for payload in payloads_of(request)]


def pieces(server: ScriptedModel) -> list[tuple[str, int, str]]:
    return [(payload["message_id"], payload["offset"], payload["text"]) for payload in payloads(server)]


def dropped() -> float:
    return metrics.DELTAS_DROPPED._value.get()


async def keep_busy(server: ScriptedModel, broadcaster: Broadcaster) -> None:
    """Both of its requests are under way, and last."""
    broadcaster.send("s", "busy 1", 1, 0, "x")
    await until(lambda: len(server.requests) == 1, "a request that lasts")
    broadcaster.send("s", "busy 2", 1, 0, "x")
    await until(lambda: len(server.requests) == 2, "another request that lasts")


@contextlib.asynccontextmanager
async def sending(*scripts: Script, per_second: float = 1000) -> AsyncIterator[Sending]:
    """A scripted Realtime, and the worker's broadcaster at work."""
    async with ScriptedModel(*(scripts or [accepts])) as server:
        broadcaster = Broadcaster(
            WorkerSettings(
                _env_file=None,
                supabase_url=f"{server.url}/",
                supabase_secret_key="sb_secret_x",
                gemini_api_key="unused",
                realtime_messages_per_second=per_second,
            )
        )
        running = asyncio.create_task(broadcaster.run())
        try:
            yield server, broadcaster
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await broadcaster.close()
