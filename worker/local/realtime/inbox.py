"""Handles the frames of a channel one after another, independently of the socket's other channels.

On the real server each channel is a process, so that one that waits for a policy does not delay others
(phoenix 1.8, lib/phoenix/channel/server.ex).
"""

import asyncio
from collections.abc import Awaitable, Callable

from worker.local.realtime.serializer import Message

MOST_UNHANDLED = 100  # frames of one channel; with more, its socket waits


class Inbox:
    def __init__(self, handle: Callable[[Message], Awaitable[None]]) -> None:
        self._handle = handle
        self._messages: asyncio.Queue[Message] = asyncio.Queue(MOST_UNHANDLED)
        self._task: asyncio.Task[None] | None = None
        self._last = ""  # event
        self._closed = False

    def open(self) -> None:
        self._task = asyncio.create_task(self._run(), name="channel")

    async def put(self, message: Message) -> None:
        self._last = message.event
        await self._messages.put(message)
        # Lets the channel handle a frame that needs no waiting before the socket's next frame.
        await asyncio.sleep(0)

    async def leave(self) -> None:
        """Wait until the client's leave is handled, if its last frame was one."""
        if self._last == "phx_leave" and self._task:
            await asyncio.wait({self._task})

    def close(self) -> None:
        self._closed = True
        # That task may itself be closing the channel.
        if self._task and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _run(self) -> None:
        while not self._closed:
            await self._handle(await self._messages.get())
