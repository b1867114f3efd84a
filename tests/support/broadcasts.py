"""A broadcaster, and the server that it sends to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.support.scripted_model import Exchange, Script, ScriptedModel
from worker.config import WorkerSettings
from worker.realtime.broadcast import Broadcaster

Sending = tuple[ScriptedModel, Broadcaster]


async def accepts(exchange: Exchange) -> None:
    await exchange.answer(202, {})


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
