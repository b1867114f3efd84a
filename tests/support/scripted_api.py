"""An API of the database: its next answer is what a test has made up."""

import asyncio
import contextlib
import json
import socket
import struct
from dataclasses import dataclass
from typing import Literal, Self

MESSAGE = "11111111-1111-4111-8111-111111111111"

End = Literal["keep", "close", "reset", "hold"]


@dataclass(frozen=True)
class Garbage:
    """The bytes that answer a call, and what becomes of the connection after them."""

    answer: bytes
    end: End = "keep"


class Api:
    """Answers the next call with what it is told to, and every other one as the database would."""

    def __init__(self) -> None:
        self.garbage: Garbage | None = None
        self.strangers = 0
        """Requests that no function of the database was asked by."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
                    await reader.readexactly(int(length.split(":")[1]))
                    function = head.split(" ")[1].removeprefix("/rest/v1/rpc/")
                    self.strangers += function not in GOOD
                    if not await self._answer(function, writer):
                        return
        finally:
            writer.close()

    async def _answer(self, function: str, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        garbage, self.garbage = self.garbage, None
        if garbage is None:
            writer.write(whole(200, json.dumps(GOOD.get(function)).encode()))
            return True
        writer.write(garbage.answer)
        if garbage.end == "hold":
            await asyncio.Event().wait()
        elif garbage.end == "reset":
            now = struct.pack("ii", 1, 0)  # without a word of farewell
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        return garbage.end == "keep"


def whole(status: int, body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 %d Word" % status, b"content-length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


GOOD = {
    "register_worker": {"workers": 1},
    "claim_replies": {"alive": True, "replies": [], "next_due_in_ms": None, "refused": {}},
    "beat": {"alive": True, "workers": 1, "lost": [], "cancel_requested": []},
    "save_drafts": [{"message_id": MESSAGE, "attempt": 1, "stored": 7}],
    "give_back": 1,
    "next_attempt": 2,
    "complete_reply": True,
    "fail_reply": True,
    "release_replies": {"released": 0, "left": 0},
    "reconcile_replies": None,
    "ops_queue": {"pending": 0, "oldest_pending_seconds": None},
}
