"""The interface to a provider of models: a prompt in, pieces of text and figures out.

answer.py depends on this interface and on no provider. .github/CONTRIBUTING.md describes how to add another one.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from worker.prompt.context import Prompt
from worker.rows import FinishReason, Usage


class ModelStream(Protocol):
    """A call in progress: an iterator of text. The properties hold what has arrived so far."""

    def __aiter__(self) -> AsyncIterator[str]:
        """The text, in pieces; iterate once. Raises a ModelError if the call gives no answer, also after a regular
        end without one; its class decides what is done next (errors.py)."""
        ...

    @property
    def finish_reason(self) -> FinishReason | None:
        """STOP or MAX_TOKENS after the end of the text, else None."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The last token counts that were reported; None: none yet."""
        ...

    @property
    def usage_is_final(self) -> bool:
        """Whether `usage` was reported with the finish reason or after it, so that it is complete."""
        ...

    @property
    def model_version(self) -> str | None:
        """The name of the model that answers, as the provider reports it; prices are looked up by it."""
        ...

    @property
    def sign_of_life(self) -> bool:
        """Whether anything has arrived: text, a thought, or figures."""
        ...

    @property
    def first_token_ms(self) -> int | None:
        """Milliseconds from the start of the call to its first text; None: there is none yet."""
        ...

    @property
    def latency_ms(self) -> int:
        """Milliseconds from the start of the call to its end, or until now."""
        ...


class Provider(Protocol):
    """A provider of models, such as Gemini."""

    def stream(self, model: str, prompt: Prompt) -> AbstractAsyncContextManager[ModelStream]:
        """Exactly one call to the model of this name, without hidden retries, since the ledger counts calls. Leaving
        the block ends the call at once. Entering it raises nothing: errors are raised by iterating the stream."""
        ...
