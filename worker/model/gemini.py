"""Gemini as a Provider (door.py), with google-genai. endings.py translates the ends of calls."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol

import httpx2
from google import genai
from google.genai import types
from pydantic import SecretStr

from worker.errors import TimedOut
from worker.model import endings, gemini_http, usage
from worker.prompt.context import Prompt
from worker.rows import FinishReason, Message, Usage
from worker.text import Unrepeated, is_blank

LAST_SECONDS = 2.0
"""How long to read on after the finish reason, for token counts or a filter's refusal."""
_ROLES = {"user": "user", "assistant": "model"}


class Settings(Protocol):
    """The settings that Gemini needs. WorkerSettings imports worker.model, so it cannot be imported here."""

    @property
    def gemini_api_key(self) -> SecretStr: ...
    @property
    def gemini_base_url(self) -> str | None: ...
    @property
    def max_output_tokens(self) -> int: ...
    @property
    def model_first_token_seconds(self) -> float: ...
    @property
    def model_idle_seconds(self) -> float: ...
    @property
    def reply_deadline_seconds(self) -> float: ...
    @property
    def worker_concurrency(self) -> int: ...


class Gemini:
    """One client for the whole process, since creating one costs time and memory."""

    def __init__(self, settings: Settings) -> None:
        self._max_output_tokens = settings.max_output_tokens
        self._first_token_seconds = settings.model_first_token_seconds
        self._http = _http_client(settings.worker_concurrency)
        self._client = genai.Client(
            api_key=settings.gemini_api_key.get_secret_value(),
            http_options=types.HttpOptions(
                base_url=settings.gemini_base_url,
                timeout=int(settings.model_idle_seconds * 1000),  # milliseconds of silence
                # By default, the library sends `timeout` as the server's limit of the whole call.
                headers={"X-Server-Timeout": str(math.ceil(settings.reply_deadline_seconds))},
                httpx_async_client=self._http,
            ),
        )

    @contextlib.asynccontextmanager
    async def stream(self, model: str, prompt: Prompt) -> AsyncIterator["GeminiStream"]:
        """A stream in progress; leaving the block closes its connection at once."""
        stream = GeminiStream(self._chunks(model, prompt), self._first_token_seconds)
        try:
            yield stream
        finally:
            await stream.close()

    async def close(self) -> None:
        await self._client.aio.aclose()
        await self._http.aclose()

    async def _chunks(self, model: str, prompt: Prompt) -> AsyncIterator[types.GenerateContentResponse]:
        config = types.GenerateContentConfig(
            system_instruction=prompt.system_instruction,
            max_output_tokens=self._max_output_tokens,
            # One call per attempt, whatever happens: the ledger counts them, and the retry loop is ours.
            automatic_continuation=False,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        async for chunk in await self._client.aio.models.generate_content_stream(
            model=model, contents=_contents(prompt.turns), config=config
        ):
            yield chunk


def _contents(turns: list[Message]) -> list[dict[str, Any]]:
    """As the API has them."""
    return [{"role": _ROLES[turn.role], "parts": [{"text": turn.content}]} for turn in turns]


def _http_client(streams: int) -> httpx2.AsyncClient:
    """Our own client: by default, the library uses aiohttp if it is installed, which has other timeouts and errors
    and hidden retries; and its own httpx2 client follows redirects, with the key and the prompt.

    It sets no transport, since httpx2 reads proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY) and certificates
    (SSL_CERT_FILE, SSL_CERT_DIR) from the environment only without one. Cookies are not stored.
    """
    return httpx2.AsyncClient(
        # Connections are not reused: if a response is longer than its declared length, httpx2 would take the rest for
        # the beginning of the next response. At most two for each stream, while old ones are still closing.
        limits=httpx2.Limits(max_connections=streams * 2, max_keepalive_connections=0),
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        event_hooks={"response": [gemini_http.read_answer]},
    )


class GeminiStream:
    """A door.ModelStream.

    A separate task, the pump, only reads from the socket, so that a cancellation always interrupts a read: otherwise
    the library keeps the connection open, and the model continues at our expense.
    """

    def __init__(self, chunks: AsyncIterator[types.GenerateContentResponse], first_token_seconds: float) -> None:
        self.usage: Usage | None = None
        self.usage_is_final = False
        self.model_version: str | None = None
        self.finish_reason: FinishReason | None = None
        self.first_token_ms: int | None = None
        self.sign_of_life = False
        self._raw_finish: str | None = None
        """The model's finish reason; with it the answer is complete, even if the connection fails afterwards."""
        self._blocked: str | None = None
        self._has_words = False
        self._has_thoughts = False
        """The model has reported thoughts: from then on the limit of silence applies, not that of the first token."""
        self._unrepeated = Unrepeated()
        self._first_token_seconds = first_token_seconds
        self._started = time.monotonic()
        self._ended: float | None = None
        # Unbounded: a pump that waits for room would not be reading when it is cancelled.
        self._pieces: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self._pump = asyncio.create_task(self._read(chunks), name="gemini pump")

    @property
    def latency_ms(self) -> int:
        return round(((self._ended or time.monotonic()) - self._started) * 1000)

    async def __aiter__(self) -> AsyncIterator[str]:
        piece = await self._first()
        while piece is not None:
            if isinstance(piece, Exception):
                if self._raw_finish is not None:
                    break
                raise endings.translate(piece) from piece
            if piece:
                yield piece
            piece = await self._next()
        # A regular end of the stream may still be without an answer.
        self.finish_reason = endings.judge_end(self._raw_finish, self._blocked, self._has_words)

    async def _first(self) -> str | Exception | None:
        try:
            async with asyncio.timeout(self._first_token_seconds):
                return await self._pieces.get()
        except TimeoutError:
            raise TimedOut("no first token").by_us() from None

    async def _next(self) -> str | Exception | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS if self._raw_finish is not None else None):
                return await self._pieces.get()
        return None

    async def close(self) -> None:
        self._pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pump

    async def _read(self, chunks: AsyncIterator[types.GenerateContentResponse]) -> None:
        try:
            async for chunk in chunks:
                text = self._take(chunk)
                # Also without text: the reader waits longer after a thought, and shorter after the finish reason.
                if text or self._has_thoughts or self._raw_finish is not None:
                    self._pieces.put_nowait(text)
        except Exception as error:  # of any kind; the reader raises it
            self._pieces.put_nowait(error)
        else:
            self._pieces.put_nowait(None)
        finally:
            if self._raw_finish is None:
                self._ended = time.monotonic()

    def _take(self, chunk: types.GenerateContentResponse) -> str:
        self.sign_of_life = True
        self.model_version = chunk.model_version or self.model_version
        text = self._take_text(chunk.candidates[0]) if chunk.candidates else ""
        if (told := chunk.usage_metadata) is not None:
            thought = (self.usage.thoughts if self.usage else None) or 0
            self.usage = usage.updated(
                self.usage,
                told.prompt_token_count,
                told.cached_content_token_count,
                told.candidates_token_count,
                told.thoughts_token_count,
                has_text=self.first_token_ms is not None,
            )
            self._has_thoughts |= (self.usage.thoughts or 0) > thought
        if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
            self._blocked = chunk.prompt_feedback.block_reason.value
        has_ended = self._raw_finish is not None or self._blocked is not None
        self.usage_is_final = self.usage_is_final or (has_ended and told is not None)
        return text

    def _take_text(self, candidate: types.Candidate) -> str:
        if candidate.finish_reason is not None:
            self._raw_finish, self._ended = candidate.finish_reason.value, time.monotonic()
            if self._raw_finish in endings.BLOCKED:
                self._blocked = self._raw_finish  # a later STOP does not cancel the refusal
        parts = (candidate.content.parts if candidate.content else None) or []
        self._has_thoughts |= any(part.thought and not is_blank(part.text or "") for part in parts)
        text = self._unrepeated.rest("".join(part.text or "" for part in parts if not part.thought))
        if text and self.first_token_ms is None:
            self.first_token_ms = round((time.monotonic() - self._started) * 1000)
        self._has_words = self._has_words or not is_blank(text)
        return text
