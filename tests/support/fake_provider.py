"""A provider of models with scripted answers, without a network."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from worker.prompt.context import Prompt
from worker.rows import FinishReason, Usage

Piece = str | Exception | asyncio.Event | Callable[[], object]


class FakeStream:
    """Yields its pieces; an exception among them is raised, an event is waited for, and a function is called."""

    def __init__(self, *pieces: Piece, finish: FinishReason = FinishReason.STOP, usage: Usage | None = None) -> None:
        self.pieces = pieces
        self.finish = finish
        self.usage = usage
        self.usage_is_final = False
        self.finish_reason: FinishReason | None = None
        self.model_version: str | None = "offline-extractive"
        self.first_token_ms: int | None = 1
        self.latency_ms = 2
        self.sign_of_life = False

    async def __aiter__(self) -> AsyncIterator[str]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            elif isinstance(piece, str):
                self.sign_of_life = True
                yield piece
            else:
                piece()
        self.finish_reason, self.usage_is_final = self.finish, True


class FakeProvider:
    """Each stream is the next of those given. `asked`: models and prompts; `left`: how many streams were left."""

    def __init__(self, *streams: FakeStream) -> None:
        self.streams = list(streams)
        self.asked: list[tuple[str, Prompt]] = []
        self.left = 0

    @contextlib.asynccontextmanager
    async def stream(self, model: str, prompt: Prompt) -> AsyncIterator[FakeStream]:
        self.asked.append((model, prompt))
        try:
            yield self.streams.pop(0)
        finally:
            self.left += 1
