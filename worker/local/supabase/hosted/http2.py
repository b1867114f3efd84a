"""HTTP/2 on one connection of the proxy: concurrent requests, RST_STREAM and GOAWAY."""

import asyncio
from collections.abc import Awaitable, Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from hyperframe.frame import GoAwayFrame

from worker.local.supabase.hosted.manners import Cut
from worker.local.supabase.hosted.messages import Answer, Request

Answered = tuple[Answer | Cut, bool]
"""The flag: whether the connection is closed afterwards."""


class Connection:
    """`answer` is called for each request, also concurrently."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Callable[[Request], Awaitable[Answered]],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._wire = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._under_way: dict[int, Request] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._window = asyncio.Event()
        self._newest = 0
        self._is_over = False

    async def serve(self, idle_seconds: float | None) -> None:
        """Until either side closes it, or it was idle for `idle_seconds`."""
        self._wire.initiate_connection()
        self._flush()
        try:
            while not self._is_over:
                data = await self._read(idle_seconds)
                if not data:
                    return
                for event in self._wire.receive_data(data):
                    self._take(event)
                self._flush()
        except (ProtocolError, OSError):
            return
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, idle_seconds: float | None) -> bytes:
        while True:
            try:
                async with asyncio.timeout(idle_seconds):
                    return await self._reader.read(65536)
            except TimeoutError:
                if not self._tasks:
                    return b""

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream), headers=headers):
                words = {str(key): str(value) for key, value in headers or []}
                rest = tuple((key, value) for key, value in words.items() if not key.startswith(":"))
                self._under_way[stream] = Request(words[":method"], words[":path"], rest)
            case DataReceived(stream_id=int(stream), data=bytes(data), flow_controlled_length=int(length)):
                self._wire.acknowledge_received_data(length, stream)
                if request := self._under_way.get(stream):
                    body = request.body + data
                    self._under_way[stream] = Request(request.method, request.target, request.headers, body)
            case StreamEnded(stream_id=int(stream)):
                self._newest = max(self._newest, stream)
                task = asyncio.create_task(self._respond(stream, self._under_way.pop(stream)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case StreamReset(stream_id=int(stream)):
                self._under_way.pop(stream, None)
            case WindowUpdated():
                self._window.set()
            case ConnectionTerminated():
                self._is_over = True

    async def _respond(self, stream: int, request: Request) -> None:
        answer, is_last = await self._answer(request)
        try:
            match answer:
                case Answer():
                    await self._send(stream, answer)
                    if is_last:
                        self._say_goodbye(stream)
                case Cut.STREAM:
                    self._wire.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
                    self._flush()
                case Cut.GOAWAY:
                    self._say_goodbye(0)
                    self._writer.close()
                case Cut.CONNECTION:
                    self._writer.transport.abort()
        except (ProtocolError, OSError):
            return  # the client has cancelled it

    async def _send(self, stream: int, answer: Answer) -> None:
        headers = [(":status", str(answer.status)), ("content-length", str(len(answer.body))), *answer.headers]
        self._wire.send_headers(stream, headers)
        rest = answer.body
        while rest:
            size = min(self._wire.local_flow_control_window(stream), self._wire.max_outbound_frame_size)
            if size <= 0:
                self._flush()
                self._window.clear()
                await self._window.wait()
                continue
            self._wire.send_data(stream, rest[:size])
            rest = rest[size:]
        self._wire.end_stream(stream)
        self._flush()
        await self._writer.drain()

    def _say_goodbye(self, last_stream: int) -> None:
        """Send GOAWAY without h2, which sends nothing after its own, although streams up to `last_stream` may end."""
        self._writer.write(GoAwayFrame(0, last_stream_id=last_stream, error_code=ErrorCodes.NO_ERROR).serialize())

    def _flush(self) -> None:
        if data := self._wire.data_to_send():
            self._writer.write(data)
