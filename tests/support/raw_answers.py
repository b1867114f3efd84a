"""A server that answers byte for byte what a test has made up."""

import asyncio
import collections
import contextlib
import re
import socket
import struct
from dataclasses import dataclass

NO_LINGER = struct.pack("ii", 1, 0)


@dataclass
class Answer:
    """What goes out, byte for byte, in pieces of `size`, and what becomes of the connection then."""

    content: bytes
    size: int
    manner: str
    """close, reset, or silence, until the client leaves or asks for something else."""


class Socket:
    """A server of one answer for each model, whose name is that of a call."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: collections.Counter[str] = collections.Counter()
        self._left = asyncio.Event()
        """A connection has ended since the last answer began."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def has_left(self, played: Answer) -> None:
        """A connection that ends with this answer has ended: nobody may write into it any more."""
        if played.manner != "silence" and self.requests[f"m{len(self.answers) - 1}"]:
            await self._left.wait()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = re.search(rb"(?i)content-length: (\d+)", head)
                    await reader.readexactly(int(length[1]) if length else 0)
                    path = re.search(rb"/models/(\w+):", head)
                    assert path
                    model = path[1].decode()
                    self.requests[model] += 1
                    self._left.clear()
                    if not await self._play(self.answers[model], writer):
                        return
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                self._left.set()

    async def _play(self, played: Answer, writer: asyncio.StreamWriter) -> bool:
        for at in range(0, len(played.content), played.size):
            writer.write(played.content[at : at + played.size])
            await writer.drain()
            await asyncio.sleep(0)
        if played.manner == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            writer.transport.abort()
        return played.manner == "silence"
