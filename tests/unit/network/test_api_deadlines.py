"""No client of ours waits without an end for an answer of a project."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.api_clients import worker_settings
from worker.check import database as check
from worker.check import project as check_project
from worker.check import realtime as check_realtime
from worker.check.findings import Finding
from worker.database.rpc import Database
from worker.errors import DatabaseAway
from worker.network import api_http

CALL_SECONDS = 0.2

DRIP_SECONDS = 0.05


@asynccontextmanager
async def dripping() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The address of a server that answers a byte at a time, and what is set when its client has gone."""
    gone = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"1\r\n \r\n")
                await writer.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(DRIP_SECONDS):
                        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", gone
    finally:
        server.close()


@pytest.fixture
def no_limit_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this machine pauses for longer than that, it would end a call in the deadline's place."""
    options = api_http.options
    monkeypatch.setattr(api_http, "options", lambda seconds: {**options(seconds), "timeout": None})


@pytest.mark.usefixtures("no_limit_of_a_step")
async def test_an_answer_that_comes_a_byte_at_a_time_is_given_up_as_a_whole() -> None:
    """Each byte would begin the client's own limit anew."""
    async with dripping() as (url, gone):
        database = await Database.connect(worker_settings(url), CALL_SECONDS, 1)
        async with asyncio.timeout(10):
            with pytest.raises(DatabaseAway, match="ops_queue: no answer in time"):
                await database.ask("ops_queue", {})
            await gone.wait()
        await database.close()


async def hear_the_worker(url: str) -> list[Finding]:
    ear: Any = SimpleNamespace(listen=lambda: None)
    return [await check_realtime.hear_the_worker(ear, url, "sb_secret_x")]


async def reach(url: str) -> list[Finding]:
    return (await check_project.reach(url, "sb_secret_x", None)).findings


async def ask_the_database(url: str) -> list[Finding]:
    return (await check.ask(url, "sb_secret_x")).findings


@pytest.mark.usefixtures("no_limit_of_a_step")
@pytest.mark.parametrize(
    ("look", "limit"),
    [
        (reach, (check_project, "SECONDS")),
        (ask_the_database, (check, "SECONDS")),
        (hear_the_worker, (check_realtime, "HEAR_SECONDS")),
    ],
)
async def test_a_check_ends_where_an_answer_does_not(
    monkeypatch: pytest.MonkeyPatch, look: Callable[[str], Awaitable[list[Finding]]], limit: tuple[Any, str]
) -> None:
    monkeypatch.setattr(*limit, CALL_SECONDS)
    async with dripping() as (url, gone), asyncio.timeout(10):
        [finding] = await look(url)
        await gone.wait()
    assert finding.level == "problem"
    assert "(TimeoutError)" in finding.words
