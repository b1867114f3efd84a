"""Calls that cost a dollar for a million tokens, and errors by which they end."""

from collections.abc import Callable
from datetime import date

from tests.support.answering import claimed
from worker.claim import Claim
from worker.errors import (
    AccessRefused,
    InternalError,
    ModelError,
    ModelGone,
    ModelOverloaded,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
)
from worker.model.price_list import Price
from worker.model.pricing import Prices
from worker.prompt.budget import Budget
from worker.prompt.context import build_chat_prompt
from worker.rows import Call, Usage


def unbilled(kind: type[ModelError]) -> Callable[[str], ModelError]:
    """An error of a call that was refused as a whole."""
    return lambda reason: kind(reason).unbilled()


USED = Usage(prompt=10, candidates=2)


def at_a_dollar_a_token(*models: str) -> Prices:
    """For prompt and answer alike, by the million: a cost reads as a count of tokens."""
    each = {"prompt": 1, "cached": 1, "output": 1, "as_of": date(2026, 11, 1), "source": "a test"}
    return Prices(Price(model=model, **each) for model in (*models, "offline-extractive"))


def cost_of(call: Call) -> tuple[int | None, bool | None]:
    """In millionths of a dollar, and whether it is an estimate."""
    return None if call.cost_usd is None else round(call.cost_usd * 1_000_000), call.cost_is_estimated


def estimated_prompt(claim: Claim | None = None, budget: Budget | None = None) -> int:
    budget = budget or Budget(32_000)
    return build_chat_prompt((claim or claimed()).reply, budget).estimated_tokens


REFUSED = [
    RateLimited,
    QuotaSpent,
    ModelGone,
    AccessRefused,
    PromptTooLong,
    unbilled(InternalError),
    unbilled(ModelOverloaded),
]


def by_us(kind: type[ModelError]) -> Callable[[str], ModelError]:
    """An error of a call that we have ended."""
    return lambda reason: kind(reason).by_us()
