"""HTTP/1.1 on one connection of the proxy."""

import asyncio
import contextlib
from http import HTTPStatus

from worker.local.supabase.hosted.messages import Answer, Request

MOST_OF_A_HEAD = 64 * 1024


async def read(reader: asyncio.StreamReader, idle_seconds: float | None) -> tuple[Request, bytes] | None:
    """The next request, and the bytes of its head. None: the connection has ended, or was idle for `idle_seconds`."""
    try:
        async with asyncio.timeout(idle_seconds):
            raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
        return None
    first, *lines = raw.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = tuple(
        (key.strip().lower(), value.strip()) for key, _, value in (line.partition(":") for line in lines if line)
    )
    request = Request(method, target, headers)
    if request.header("upgrade"):
        return request, raw
    try:
        body = await reader.readexactly(int(request.header("content-length") or 0))
    except (asyncio.IncompleteReadError, OSError):
        return None
    return Request(method, target, headers, body), raw


def as_bytes(answer: Answer, *, is_last: bool = False) -> bytes:
    reason = HTTPStatus(answer.status).phrase if answer.status in list(HTTPStatus) else "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{key}: {value}" for key, value in answer.headers)]
    if is_last:
        lines.append("connection: close")
    if answer.status not in (204, 304):
        lines.append(f"content-length: {len(answer.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, head: bytes) -> None:
    """Forward a WebSocket's bytes in both directions, until either side closes it."""
    up, down = await asyncio.open_connection("127.0.0.1", port)
    try:
        down.write(head)
        ways = [asyncio.create_task(_copy(reader, down)), asyncio.create_task(_copy(up, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
    finally:
        down.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
