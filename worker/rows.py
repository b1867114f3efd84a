"""Typed rows and codes: what a claim returns, and what is stored in the ledger.

The codes are also listed in SQL, in the pages, in the HTTP API's document, in supabase/README.md and in the
dashboards; tests/unit/test_codes.py compares them.
"""

import json
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, TypedDict

LONGEST_INTEGER = 4_000
"""Digits; a longer one is read as text."""


class ReplyStatus(StrEnum):
    """`chat_replies.status`."""

    PENDING = "pending"
    ANSWERING = "answering"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class FinishReason(StrEnum):
    """`chat_messages.finish_reason`: how the text of a stored answer ended."""

    STOP = "stop"
    MAX_TOKENS = "max_tokens"
    REPEATING = "repeating"
    CANCELLED = "cancelled"


class ErrorCode(StrEnum):
    """`chat_replies.error_code`, and the outcome of a call that failed.

    OUT_OF_TRIES and WAITED_TOO_LONG are set by the database and are never the outcome of a call.
    """

    MODEL_OVERLOADED = "model_overloaded"
    RATE_LIMITED = "rate_limited"
    MODEL_UNAVAILABLE = "model_unavailable"
    TIMED_OUT = "timed_out"
    CONTENT_BLOCKED = "content_blocked"
    EMPTY_REPLY = "empty_reply"
    TRUNCATED = "truncated"
    PROMPT_TOO_LONG = "prompt_too_long"
    OUT_OF_TRIES = "out_of_tries"
    WAITED_TOO_LONG = "waited_too_long"
    INTERNAL = "internal"


class CallOutcome(StrEnum):
    """`external_api_call_logs.outcome`, unless the call failed: then it is an ErrorCode."""

    CLAIMED = "claimed"
    """Claimed, but not called yet."""
    STARTED = "started"
    OK = "ok"
    CANCELLED = "cancelled"
    LOST = "lost"
    """The worker died or lost its claim: the answer was not used."""


class ClaimEnd(StrEnum):
    """How a claim ended for the worker that held it: the metric `postbro_replies_total`."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    POSTPONED = "postponed"
    """A call has failed, and the reply is back in the queue."""
    GIVEN_BACK = "given_back"
    """No model may be asked: the reply is back in the queue, and no call is counted."""
    REFUSED = "refused"
    """The database refused the answer."""
    CLAIM_LOST = "claim_lost"
    DROPPED = "dropped"
    """A defect, or the API was away for too long."""


CallEnd = FinishReason | ErrorCode | Literal[CallOutcome.LOST]
"""How a call ended for the worker that made it: the metric `postbro_model_calls_total`."""


@dataclass(frozen=True)
class Message:
    """One message of a chat."""

    role: str
    """user or assistant."""
    content: str


class Post(TypedDict, total=False):
    """A row of `posts`. The database shortens large values; `wholes` has their original sizes.

    The data comes from users and platforms: jsonb columns may have any shape.
    """

    platform: str
    creator: str | None
    url: str
    posted_at: str | None
    """ISO 8601."""
    caption: str | None
    metrics: Any
    media: Any
    wholes: dict[str, int]


class Analysis(TypedDict, total=False):
    """The named fields of a row of `post_analyses`; see Post."""

    quick_takeaways: Any
    creator_context: str | None
    viral_status: str | None
    frameworks: Any
    key_insights: Any
    wholes: dict[str, int]


@dataclass(frozen=True)
class Reply:
    """A claimed reply with everything needed to answer it."""

    message_id: str
    session_id: str
    user_id: str
    attempt: int
    version: int
    calls_left: int
    """How many calls to a model it may still make."""
    question: str
    history: list[Message] = field(repr=False)
    posts: list[Post] = field(repr=False)
    analyses: list[Analysis] = field(repr=False)
    waiting_ms: int = 0
    """Milliseconds since it became its chat's next question."""
    models: list[str] | None = None
    """The models that the user's plan allows; None: all."""

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Reply":
        """Reads a row of claim_replies. Unknown keys are ignored: the schema may be newer than this program.

        Raises ValueError, KeyError, TypeError or RecursionError where the row or its context cannot be read.
        """
        context = json.loads(row["context"], parse_int=_integer)
        return cls(
            message_id=row["message_id"],
            session_id=row["session_id"],
            user_id=row["user_id"],
            attempt=row["attempt"],
            version=row["version"],
            calls_left=row["calls_left"],
            question=context["question"],
            history=[Message(each["role"], each["content"]) for each in context["history"]],
            posts=context["posts"],
            analyses=context["analyses"],
            waiting_ms=row["waiting_ms"],
            models=row.get("models"),
        )


def _integer(digits: str) -> int | str:
    """Long integers stay text: Postgres allows 131,072 digits, and Python raises for more than 4,300."""
    return int(digits) if len(digits) <= LONGEST_INTEGER else digits


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. `prompt` includes `cached`; `thoughts` are billed as output. None: not reported."""

    prompt: int | None = None
    cached: int | None = None
    candidates: int | None = None
    thoughts: int | None = None


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
    """US dollars; None: no price is known."""
    cost_is_estimated: bool = False
    """Some of the figures that it is computed from were not reported."""
    tokens_debited: int | None = None
    """Tokens to debit the user's plan; None: the database computes them from the other columns."""
    first_token_ms: int | None = None
    latency_ms: int | None = None

    def as_row(self) -> dict[str, Any]:
        """Column → JSON value, for the functions that settle a claim."""
        cost = None if self.cost_usd is None else float(self.cost_usd)
        return {**asdict(self), "cost_usd": cost}

    def bare(self) -> "Call":
        """The call without the provider's figures and names."""
        return Call(self.prompt_version, self.model_requested, self.endpoint)
