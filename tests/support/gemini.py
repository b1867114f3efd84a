"""The Gemini client, talking to a scripted model."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tests.support.scripted_model import Script, ScriptedModel
from worker.config import WorkerSettings
from worker.errors import TimedOut
from worker.model.door import ModelStream
from worker.model.gemini import Gemini
from worker.prompt.context import Prompt
from worker.rows import Message

PROMPT = Prompt("Persona", [Message("user", "Q"), Message("assistant", "A"), Message("user", "Why?")])

BOUND = 5  # seconds; what takes as long has failed


def settings_of(server: ScriptedModel, key: str, **others: Any) -> WorkerSettings:
    """Of a worker whose model and whose project are this server."""
    return WorkerSettings(
        _env_file=None,
        supabase_url=server.url,
        supabase_secret_key=key,
        gemini_api_key=key,
        gemini_base_url=server.url,
        **others,
    )


@contextlib.asynccontextmanager
async def talking(
    *scripts: Script, idle_seconds: float = BOUND, first_token_seconds: float = BOUND
) -> AsyncIterator[tuple[ScriptedModel, Gemini]]:
    """A scripted server and the worker's client of it."""
    async with ScriptedModel(*scripts) as server:
        settings = WorkerSettings(
            _env_file=None,
            supabase_url="http://unused",
            supabase_secret_key="unused",
            gemini_api_key="the-key",
            gemini_base_url=server.url,
            max_output_tokens=77,
            model_idle_seconds=idle_seconds,
            model_first_token_seconds=first_token_seconds,
            reply_deadline_seconds=90.5,
        )
        gemini = Gemini(settings)
        try:
            yield server, gemini
        finally:
            await gemini.close()


async def heard(*scripts: Script, **limits: float) -> tuple[list[str], ModelStream, Exception | None]:
    """The pieces, the stream after its end, and the error that ended it."""
    async with talking(*scripts, **limits) as (server, gemini):
        pieces: list[str] = []
        error: Exception | None = None
        async with gemini.stream("gemini-2.5-flash", PROMPT) as stream:
            try:
                async for piece in stream:
                    pieces.append(piece)
            except Exception as raised:
                error = raised
        # None at all where this very process was held up for longer than the limits.
        called = len(server.requests) or isinstance(error, TimedOut)
        assert called == 1, "one call for each stream, whatever happens"
        return pieces, stream, error


def google(word: str, message: str = "sentinel") -> dict[str, Any]:
    """An error as Gemini tells it, by the word for its status."""
    return {"error": {"status": word, "message": message}}


def usage(prompt: object, candidates: object = None, **others: Any) -> dict[str, Any]:
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": candidates, **others}
    return {"usageMetadata": {name: count for name, count in counts.items() if count is not None}}
