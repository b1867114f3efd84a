"""The door to google-genai: a prompt in, pieces of text and usage out. How a call can end: outcomes.py."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator

import httpx2
from google import genai
from google.genai import types

from worker import outcomes
from worker.config import WorkerSettings
from worker.context import Prompt
from worker.errors import TimedOut
from worker.models import Usage


class Gemini:
    """One client for the whole process: building one costs time and memory."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._max_output_tokens = settings.max_output_tokens
        self._first_token_seconds = settings.model_first_token_seconds
        # Its own transport: without one, the library takes aiohttp wherever that is installed, which has
        # other timeouts, hidden retries and other errors. And one connection for each stream, with room.
        transport = httpx2.AsyncHTTPTransport(
            limits=httpx2.Limits(max_connections=settings.worker_concurrency * 2, keepalive_expiry=60)
        )
        self._client = genai.Client(
            api_key=settings.gemini_api_key.get_secret_value(),
            http_options=types.HttpOptions(
                base_url=settings.gemini_base_url,
                timeout=int(settings.model_idle_seconds * 1000),  # milliseconds of silence
                # Left to itself, the library tells the server that the silence is the limit of the whole call.
                headers={"X-Server-Timeout": str(math.ceil(settings.reply_deadline_seconds))},
                async_client_args={"transport": transport},
            ),
        )

    @contextlib.asynccontextmanager
    async def stream(self, model: str, prompt: Prompt) -> AsyncIterator["ModelStream"]:
        """A stream under way; leaving the block closes its connection at once, whatever the reason."""
        stream = ModelStream(self._chunks(model, prompt), self._first_token_seconds)
        try:
            yield stream
        finally:
            await stream.close()

    async def close(self) -> None:
        await self._client.aio.aclose()

    async def _chunks(self, model: str, prompt: Prompt) -> AsyncIterator[types.GenerateContentResponse]:
        config = types.GenerateContentConfig(
            system_instruction=prompt.system_instruction,
            max_output_tokens=self._max_output_tokens,
            # One call per attempt, whatever happens: the ledger counts them, and the retry loop is ours.
            automatic_continuation=False,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        async for chunk in await self._client.aio.models.generate_content_stream(
            model=model, contents=prompt.contents, config=config
        ):
            yield chunk


class ModelStream:
    """Iterate over it for the text. What else the model said is known as far as it has come.

    A pump does nothing but read, so that cancelling always meets it inside the socket: left anywhere
    else, the library keeps the connection open, and the model goes on at our expense.
    """

    def __init__(self, chunks: AsyncIterator[types.GenerateContentResponse], first_token_seconds: float) -> None:
        self.usage: Usage | None = None
        self.model_version: str | None = None
        self.finish_reason: str | None = None
        """stop or max_tokens, once the text has come to its end."""
        self.first_token_ms: int | None = None
        self.sign_of_life = False
        """Something came: text, a thought, or figures alone."""
        self._raw_finish: str | None = None
        self._blocked: str | None = None
        self._first_token_seconds = first_token_seconds
        self._started = time.monotonic()
        self._ended: float | None = None
        # Unbounded: a pump waiting for room would not be in the socket when it is cancelled.
        self._pieces: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self._pump = asyncio.create_task(self._read(chunks), name="gemini pump")

    @property
    def latency_ms(self) -> int:
        return round(((self._ended or time.monotonic()) - self._started) * 1000)

    async def __aiter__(self) -> AsyncIterator[str]:
        piece = await self._first()
        has_text = piece is not None
        while piece is not None:
            if isinstance(piece, Exception):
                raise outcomes.translate(piece) from piece
            yield piece
            piece = await self._pieces.get()
        # A clean end is no proof of an answer.
        self.finish_reason = outcomes.judge_end(self._raw_finish, self._blocked, has_text)

    async def _first(self) -> str | Exception | None:
        try:
            async with asyncio.timeout(self._first_token_seconds):
                return await self._pieces.get()
        except TimeoutError:
            raise TimedOut("no first token") from None

    async def close(self) -> None:
        self._pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pump

    async def _read(self, chunks: AsyncIterator[types.GenerateContentResponse]) -> None:
        try:
            async for chunk in chunks:
                if text := self._take(chunk):
                    self._pieces.put_nowait(text)
        except Exception as error:  # every kind: it is the reader who must hear of it
            self._pieces.put_nowait(error)
        else:
            self._pieces.put_nowait(None)
        finally:
            self._ended = time.monotonic()

    def _take(self, chunk: types.GenerateContentResponse) -> str:
        self.sign_of_life = True
        self.model_version = chunk.model_version or self.model_version
        if (usage := chunk.usage_metadata) is not None:
            # Each is a running total that replaces the one before.
            self.usage = Usage(
                prompt=usage.prompt_token_count or 0,
                cached=usage.cached_content_token_count or 0,
                candidates=usage.candidates_token_count or 0,
                thoughts=usage.thoughts_token_count or 0,
            )
        if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
            self._blocked = str(chunk.prompt_feedback.block_reason)
        if not chunk.candidates:
            return ""
        candidate = chunk.candidates[0]
        if candidate.finish_reason is not None:
            self._raw_finish = candidate.finish_reason.value
        parts = (candidate.content.parts if candidate.content else None) or []
        text = "".join(part.text or "" for part in parts if not part.thought)
        if text and self.first_token_ms is None:
            self.first_token_ms = round((time.monotonic() - self._started) * 1000)
        return text
