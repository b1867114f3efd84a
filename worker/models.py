"""Typed rows: what the database hands to the worker, and what goes back to the ledger."""

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Message:
    role: str
    """user or assistant."""
    content: str


@dataclass(frozen=True)
class Reply:
    """A claimed reply with everything needed to answer it, in one row."""

    message_id: str
    session_id: str
    attempt: int
    version: int
    tries_left: int
    question: str
    history: list[Message] = field(repr=False)
    posts: list[dict[str, Any]] = field(repr=False)
    analyses: list[dict[str, Any]] = field(repr=False)
    waiting_ms: int = 0
    """From the question, or from when it was due again, to the claim."""

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Reply":
        return cls(**{**row, "history": [Message(**message) for message in row["history"]]})


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. `prompt` includes `cached`; `thoughts` are billed as output."""

    prompt: int = 0
    cached: int = 0
    candidates: int = 0
    thoughts: int = 0


@dataclass
class Call:
    """One attempt's row in the ledger, by the names of its columns. Times in milliseconds."""

    prompt_version: str
    model_requested: str | None = None
    """None as long as no model has been asked."""
    endpoint: str = "streamGenerateContent"
    model_version: str | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    candidate_tokens: int | None = None
    thought_tokens: int | None = None
    cost_usd: Decimal | None = None
    first_token_ms: int | None = None
    latency_ms: int | None = None

    def as_row(self) -> dict[str, Any]:
        cost = None if self.cost_usd is None else float(self.cost_usd)
        return {**asdict(self), "cost_usd": cost}
