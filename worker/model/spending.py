"""What a call to the model used and cost, for the ledger: as the provider reports it, or estimated and marked."""

from decimal import Decimal

from worker.errors import ModelError
from worker.model.door import ModelStream
from worker.model.pricing import Cost, Prices
from worker.prompt import token_count
from worker.rows import Call, Usage


def note(
    call: Call, stream: ModelStream, prices: Prices, prompt_tokens: int, text: str, error: ModelError | None
) -> None:
    """Of a call that has ended, in whatever way. `prompt_tokens`: as estimated; `text`: as far as it came.

    Tokens are noted as reported; only the cost and what the user is debited are ever estimated. A cost stays
    empty where no price is known.
    """
    usage = stream.usage or Usage()
    at_least = _at_least(usage, prompt_tokens, text)
    call.model_version = stream.model_version
    call.first_token_ms, call.latency_ms = stream.first_token_ms, stream.latency_ms
    call.prompt_tokens, call.cached_tokens = usage.prompt, usage.cached
    call.candidate_tokens, call.thought_tokens = usage.candidates, usage.thoughts
    cost = _cost(call, stream, prices, usage, at_least, error)
    call.cost_usd, call.cost_is_estimated = cost or (None, False)
    call.tokens_debited = _debited(stream, usage, at_least, error)


def _cost(
    call: Call, stream: ModelStream, prices: Prices, told: Usage, at_least: Usage, error: ModelError | None
) -> Cost | None:
    if error is not None and error.is_unbilled and not stream.sign_of_life:
        return Cost(Decimal(0), is_estimated=False)
    is_told = _is_told(stream, told)
    cost = prices.cost(stream.model_version or call.model_requested, told if is_told else at_least)
    if cost is None or (is_told and stream.model_version):
        return cost
    return Cost(cost.usd, is_estimated=True)


def _debited(stream: ModelStream, told: Usage, at_least: Usage, error: ModelError | None) -> int:
    """Tokens. What the provider or the network has ended before anything came is nothing to the user, though it may
    be on the bill: an outage, in which each question has several such calls, would use up the day of everybody who
    waits for its end. A call that we have ended was under way: its prompt counts, or whoever has the model think
    for longer than we wait would ask for nothing.
    """
    if error is not None and not stream.sign_of_life and (error.is_unbilled or error.is_of_the_provider):
        return 0
    used = told if _is_told(stream, told) else at_least
    return (used.prompt or 0) + (used.candidates or 0) + (used.thoughts or 0)


def _is_told(stream: ModelStream, told: Usage) -> bool:
    return stream.usage_is_final and None not in (told.prompt, told.candidates)


def _at_least(told: Usage, prompt_tokens: int, text: str) -> Usage:
    """What was told, and the estimate where nothing was. Of an answer that was broken off, the count that was told
    may be older than the text. What it thought unseen is in no estimate."""
    prompt = prompt_tokens if told.prompt is None else told.prompt
    return Usage(prompt, told.cached, max(told.candidates or 0, token_count.estimate(text)), told.thoughts)
