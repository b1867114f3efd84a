"""Tokens and cost of a call for the ledger: as reported by the provider, or estimated and marked as such."""

from decimal import Decimal

from worker.errors import ModelError
from worker.model.door import ModelStream
from worker.model.pricing import Cost, Prices
from worker.prompt import token_count
from worker.rows import Call, Usage


def note(
    call: Call, stream: ModelStream, prices: Prices, prompt_tokens: int, text: str, error: ModelError | None
) -> None:
    """Fill in `call` after its end, in whatever way it ended. `prompt_tokens`: an estimate; `text`: what has arrived;
    `error`: what ended the call, if anything.

    Token counts are stored only as reported; cost and debited tokens may be estimates. The cost stays empty if no
    price is known.
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
    """Tokens to debit. A call that the provider or the network ended before anything arrived costs the user nothing,
    although it may be billed: in an outage each question has several such calls, which would use up the users'
    quotas. A call that we ended was in progress, so its prompt counts; otherwise questions that make the model think
    for longer than we wait would be free.
    """
    if error is not None and not stream.sign_of_life and (error.is_unbilled or error.is_of_the_provider):
        return 0
    used = told if _is_told(stream, told) else at_least
    return (used.prompt or 0) + (used.candidates or 0) + (used.thoughts or 0)


def _is_told(stream: ModelStream, told: Usage) -> bool:
    return stream.usage_is_final and None not in (told.prompt, told.candidates)


def _at_least(told: Usage, prompt_tokens: int, text: str) -> Usage:
    """The reported counts, with estimates for missing ones. If an answer was broken off, its reported count may be
    older than the text, so the greater one counts. Thoughts that were not reported are not estimated."""
    prompt = prompt_tokens if told.prompt is None else told.prompt
    return Usage(prompt, told.cached, max(told.candidates or 0, token_count.estimate(text)), told.thoughts)
