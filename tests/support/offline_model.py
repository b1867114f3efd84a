"""The offline model, served, with the worker's own client of it; and what the client heard."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from worker.local.gemini.call_log import CallLog
from worker.local.gemini.connection import OpenProtocol
from worker.local.gemini.fault_queue import FaultQueue
from worker.local.gemini.server import create_app
from worker.model.gemini import Gemini, GeminiStream
from worker.prompt.context import Prompt
from worker.rows import Message, Usage

SYSTEM = "<post>\nCaption: zorple\nMetrics: likes: 918273\n</post>"
QUESTION = "How many likes?"
MODEL = "gemini-3.8-flash"
PACE = 0.002  # seconds between two pieces


@dataclass
class OfflineModel:
    """A served model, the worker's client of it, and the model's log."""

    url: str
    gemini: Gemini
    log: Path

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    async def add(self, **fault: Any) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.post(f"{self.url}/faults", json=fault)

    async def left(self) -> list[dict[str, Any]]:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{self.url}/faults")).json()

    async def delete(self, path: str = "") -> int:
        async with httpx.AsyncClient() as client:
            return (await client.delete(f"{self.url}/faults{path}")).status_code

    async def ask(self, question: str = QUESTION, model: str = MODEL) -> "Heard":
        prompt = Prompt(SYSTEM, [Message("user", question)])
        async with self.gemini.stream(model, prompt) as stream:
            heard = Heard(stream)
            try:
                async for piece in stream:
                    heard.pieces.append(piece)
            except Exception as error:
                heard.error = error
        return heard

    async def logged(self, count: int = 1) -> list[dict[str, Any]]:
        """A call is logged when the server is through with it, which may be after the client."""
        async with asyncio.timeout(5):
            while len(self.calls) < count:  # noqa: ASYNC110 - the server tells by the file alone
                await asyncio.sleep(0.01)
        assert len(self.calls) == count
        return self.calls


@dataclass
class Heard:
    stream: GeminiStream
    pieces: list[str] = field(default_factory=list)
    error: Exception | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def usage(self) -> Usage:
        assert self.stream.usage is not None
        return self.stream.usage


@contextlib.asynccontextmanager
async def serving(log: Path | None, *, faults: bool = False, pace: float = PACE) -> AsyncIterator[str]:
    """Its address."""
    app = create_app(pace, CallLog(log), FaultQueue() if faults else None)
    http = OpenProtocol if faults else "auto"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, http=http, log_config=None, lifespan="off"))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, not an event
            await asyncio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def the_answer(offline_model: OfflineModel) -> str:
    heard = await offline_model.ask()
    assert heard.error is None
    return heard.text


async def post(offline_model: OfflineModel) -> httpx.Response:
    path = f"v1/models/{MODEL}:streamGenerateContent?alt=sse"
    body = {"contents": [{"parts": [{"text": QUESTION}]}]}
    async with httpx.AsyncClient() as client:
        return await client.post(f"{offline_model.url}/{path}", json=body, headers={"x-goog-api-key": "k"})
