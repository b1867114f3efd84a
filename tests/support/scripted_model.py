"""An HTTP server that does on its socket what a test wrote down: the Gemini API on its good and bad days."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Exchange:
    """One request under way. A script answers it by these methods; a body left open is ended for it."""

    request: Request
    _writer: asyncio.StreamWriter
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client has closed its side, or reset it."""
    _begun: bool = False
    _over: bool = False

    async def raw(self, data: bytes) -> None:
        """A piece of an event stream, as one chunk of the body."""
        if not self._begun:
            self._begun = True
            self._writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()

    async def event(self, event: dict[str, Any]) -> None:
        await self.raw(b"data: " + json.dumps(event).encode() + b"\r\n\r\n")

    async def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """A whole answer that is no stream; `body`: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
        head = f"HTTP/1.1 {status} Scripted\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        self._writer.write(head.encode() + b"\r\n" + content)
        await self._writer.drain()
        self._over = True

    async def reset(self) -> None:
        self._over = True
        self._writer.transport.abort()

    async def end(self) -> None:
        if not self._over:
            if not self._begun:
                await self.raw(b"\r\n")
            self._writer.write(b"0\r\n\r\n")
            await self._writer.drain()


Script = Callable[[Exchange], Awaitable[None]]


class ScriptedModel:
    """`async with ScriptedModel(script, …)`: each request gets the next script, the last one stays."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._tasks: set[asyncio.Task[None]] = set()
        self.exchanges: list[Exchange] = []
        self.url = ""

    @property
    def requests(self) -> list[Request]:
        return [exchange.request for exchange in self.exchanges]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not in the server's own task: when that is cancelled, asyncio complains.
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                exchange = Exchange(request, writer)
                number = len(self.exchanges)
                self.exchanges.append(exchange)
                watching = asyncio.create_task(_watch(reader, exchange.gone))
                try:
                    await self._scripts[min(number, len(self._scripts) - 1)](exchange)
                    await exchange.end()
                finally:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)
        except ConnectionError:
            return
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(head[0].split(" ")[1], headers, json.loads(body or b"null"))


async def _watch(reader: asyncio.StreamReader, gone: asyncio.Event) -> None:
    # A client of HTTP/1.1 sends nothing while it is being answered: whatever can be read is its end.
    try:
        await reader.read(1)
    finally:
        if reader.at_eof() or reader.exception():
            gone.set()


def chunk(text: str | None = None, finish: str | None = None, **others: Any) -> dict[str, Any]:
    """One event of a stream, as the API writes it."""
    candidate: dict[str, Any] = {"index": 0}
    if text is not None:
        candidate["content"] = {"role": "model", "parts": [{"text": text}]}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", **others}


def says(*events: dict[str, Any]) -> Script:
    """A script: these events, and a clean end."""

    async def script(exchange: Exchange) -> None:
        for event in events:
            await exchange.event(event)

    return script


def refuses(
    code: int,
    status: str = "",
    message: str = "no",
    details: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> Script:
    """A script: an error, in the shape that the API gives it."""
    body = {"error": {"code": code, "status": status, "message": message, "details": details or []}}
    return lambda exchange: exchange.answer(code, body, headers)
