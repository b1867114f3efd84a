"""The door to whoever provides the models: a prompt in, pieces of text and figures out.

The story of a reply (answer.py) knows this and no provider. .github/CONTRIBUTING.md says how another one is added.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from worker.prompt.context import Prompt
from worker.rows import FinishReason, Usage


class ModelStream(Protocol):
    """One call under way. What else than text the model said is known as far as it has come."""

    def __aiter__(self) -> AsyncIterator[str]:
        """The text, in pieces. To be iterated once. Raises a ModelError where the call gives no answer, of the kind
        that says what is to be done next (errors.py): a clean end without an answer is one as well."""
        ...

    @property
    def finish_reason(self) -> FinishReason | None:
        """STOP or MAX_TOKENS, once the text has come to its end."""
        ...

    @property
    def usage(self) -> Usage | None:
        """Tokens, as last told."""
        ...

    @property
    def usage_is_final(self) -> bool:
        """It was told with the model's end or after it: there is nothing to come on top."""
        ...

    @property
    def model_version(self) -> str | None:
        """Which model answers, in the provider's words; its price is looked up by it."""
        ...

    @property
    def sign_of_life(self) -> bool:
        """Something came: text, a thought, or figures alone."""
        ...

    @property
    def first_token_ms(self) -> int | None:
        """Milliseconds from the call's beginning to its first text."""
        ...

    @property
    def latency_ms(self) -> int:
        """Milliseconds from the call's beginning to its end, or until now."""
        ...


class Provider(Protocol):
    def stream(self, model: str, prompt: Prompt) -> AbstractAsyncContextManager[ModelStream]:
        """One call to the model of this name, and no second one, whatever happens: the ledger counts calls. Leaving
        the block ends the call at once. Errors are raised by the stream, not on entering the block."""
        ...
