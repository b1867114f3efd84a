"""What each call costs, and what of it is debited to the user's plan."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date

import pytest

from tests.support.answering import BOUND, FakeBroadcaster, FakeReplies, a_lease, answerer_of, claimed, told
from tests.support.fake_provider import FakeProvider, FakeStream, Piece
from worker.claim import Claim
from worker.errors import (
    ContentBlocked,
    Disconnected,
    InternalError,
    ModelError,
    ModelGone,
    ModelOverloaded,
    ModelUnavailable,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
    TimedOut,
    Truncated,
)
from worker.model.price_list import Price
from worker.model.pricing import Prices
from worker.prompt.budget import Budget
from worker.prompt.context import build_chat_prompt
from worker.rows import Call, Usage


def unbilled(kind: type[ModelError]) -> Callable[[str], ModelError]:
    """An error of a call that was refused as a whole."""
    return lambda reason: kind(reason).unbilled()


async def test_the_ledger_knows_what_the_call_used() -> None:
    usage = Usage(prompt=10, cached=4, candidates=5, thoughts=3)

    _, replies, _ = await told(FakeStream("x", usage=usage))

    [call] = replies.calls
    assert call.as_row() == {
        "model_requested": "first",
        "prompt_version": call.prompt_version,
        "endpoint": "streamGenerateContent",
        "model_version": "offline-extractive",
        "prompt_tokens": 10,
        "cached_tokens": 4,
        "candidate_tokens": 5,
        "thought_tokens": 3,
        "cost_usd": 0.0,
        "cost_is_estimated": False,
        "tokens_debited": 18,
        "first_token_ms": 1,
        "latency_ms": 2,
    }


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


async def test_what_was_told_to_the_end_is_no_estimate() -> None:
    _, replies, _ = await told(FakeStream("x" * 400, usage=USED), prices=at_a_dollar_a_token())

    assert cost_of(replies.calls[0]) == (12, False)


@pytest.mark.parametrize(
    ("usage", "prompt", "answer"),
    [(None, None, 3), (Usage(prompt=10), 10, 3), (Usage(candidates=7), None, 7), (Usage(10, 0, 7, 5), 10, 12)],
)
@pytest.mark.parametrize("error", [Truncated, Disconnected, TimedOut, ModelOverloaded, ContentBlocked])
async def test_a_call_that_breaks_off_costs_what_is_estimated_of_it(
    usage: Usage | None, prompt: int | None, answer: int, error: Callable[[str], ModelError]
) -> None:
    """What was told stays as it was told; the rest is counted from the prompt and from the text so far."""
    stream = FakeStream("twelve bytes", error("x"), usage=usage)

    _, replies, _ = await told(stream, claim=claimed(calls_left=1), prices=at_a_dollar_a_token())

    [call] = replies.calls
    prompt = estimated_prompt() if prompt is None else prompt
    assert prompt > 0
    assert cost_of(call) == (prompt + answer, True)
    figures = (call.prompt_tokens, call.cached_tokens, call.candidate_tokens, call.thought_tokens)
    assert figures == ((usage.prompt, usage.cached, usage.candidates, usage.thoughts) if usage else (None,) * 4)


async def test_an_answer_whose_figures_come_only_in_part_costs_what_is_estimated() -> None:
    _, replies, _ = await told(FakeStream("x" * 40, usage=Usage(prompt=10)), prices=at_a_dollar_a_token())

    assert cost_of(replies.calls[0]) == (20, True)


async def test_the_estimate_of_a_prompt_is_corrected_by_what_the_provider_counts() -> None:
    budget = Budget(32_000)
    for _ in range(60):
        budget.learn("s1", 1_000, 2_000)

    _, replies, _ = await told(
        FakeStream(Truncated("x")), claim=claimed(calls_left=1), budget=budget, prices=at_a_dollar_a_token()
    )

    assert cost_of(replies.calls[0]) == (2 * estimated_prompt(), True)


async def test_a_stopped_answer_costs_what_is_estimated_of_it() -> None:
    claim = claimed()

    _, replies, _ = await told(
        FakeStream("twelve bytes", claim.cancel_requested.set, asyncio.Event()),
        claim=claim,
        prices=at_a_dollar_a_token(),
    )

    assert replies.settled == [("complete", "twelve bytes", "cancelled")]
    assert cost_of(replies.calls[0]) == (estimated_prompt() + 3, True)


async def test_past_the_deadline_it_costs_what_is_estimated_of_it() -> None:
    _, replies, _ = await told(
        FakeStream("twelve bytes", asyncio.Event()),
        deadline=0.1,
        claim=claimed(calls_left=1),
        prices=at_a_dollar_a_token(),
    )

    assert replies.settled == [("fail", "timed_out", None)]
    assert cost_of(replies.calls[0]) == (estimated_prompt() + 3, True)


async def test_what_a_lost_claim_has_spent_is_known_for_the_ledger() -> None:
    claim, broadcaster = claimed(), FakeBroadcaster()
    provider = FakeProvider(FakeStream("twelve bytes", asyncio.Event()))
    answerer = answerer_of(FakeReplies(), provider, broadcaster, prices=at_a_dollar_a_token())
    answering = asyncio.create_task(answerer.answer(claim, a_lease()))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    assert claim.call
    assert claim.call.model_requested == "first"
    assert cost_of(claim.call) == (estimated_prompt() + 3, True)


REFUSED = [
    RateLimited,
    QuotaSpent,
    ModelGone,
    ModelUnavailable,
    PromptTooLong,
    unbilled(InternalError),
    unbilled(ModelOverloaded),
]


@pytest.mark.parametrize("refusal", REFUSED)
@pytest.mark.parametrize("models", [(), ("first",)], ids=["without a price", "with one"])
async def test_a_call_that_is_refused_costs_nothing(
    refusal: Callable[[str], ModelError], models: Sequence[str]
) -> None:
    _, replies, _ = await told(
        FakeStream(refusal("x")), claim=claimed(calls_left=1), models=["first"], prices=at_a_dollar_a_token(*models)
    )

    assert cost_of(replies.calls[0]) == (0, False)


async def test_a_limit_that_is_told_in_mid_stream_comes_too_late_to_cost_nothing() -> None:
    _, replies, _ = await told(
        FakeStream("twelve bytes", RateLimited("x")),
        claim=claimed(calls_left=1),
        models=["first"],
        prices=at_a_dollar_a_token(),
    )

    assert cost_of(replies.calls[0]) == (estimated_prompt() + 3, True)


def by_us(kind: type[ModelError]) -> Callable[[str], ModelError]:
    """An error of a call that we have ended."""
    return lambda reason: kind(reason).by_us()


async def debited_after(*pieces: Piece, usage: Usage | None = None) -> tuple[int | None, int]:
    """Tokens of the user's plan, of a call that ends like this, and of its prompt as estimated."""
    _, replies, _ = await told(FakeStream(*pieces, usage=usage), claim=claimed(calls_left=1), models=["first"])
    return replies.calls[0].tokens_debited, estimated_prompt()


@pytest.mark.parametrize("error", [*REFUSED, ModelOverloaded, TimedOut, Disconnected, Truncated, InternalError])
async def test_what_a_provider_ends_before_it_says_anything_is_nothing_to_the_user(
    error: Callable[[str], ModelError],
) -> None:
    """Also where it may be on the bill: an outage uses up nobody's day."""
    assert await debited_after(error("x")) == (0, estimated_prompt())


async def test_what_we_end_before_it_says_anything_is_its_prompt() -> None:
    """Or whoever has the model think for longer than we wait would ask for nothing."""
    debited, prompt = await debited_after(by_us(TimedOut)("x"))
    assert debited == prompt > 0


@pytest.mark.parametrize("error", [Truncated, Disconnected, TimedOut, ModelOverloaded, RateLimited])
@pytest.mark.parametrize(("usage", "spent"), [(None, 3), (Usage(candidates=7), 7), (Usage(10, 0, 7, 5), None)])
async def test_what_breaks_off_is_debited_as_estimated(
    error: Callable[[str], ModelError], usage: Usage | None, spent: int | None
) -> None:
    debited, prompt = await debited_after("twelve bytes", error("x"), usage=usage)
    assert debited == (prompt + spent if spent else 10 + 7 + 5)


async def test_a_stop_before_the_first_word_is_debited_as_the_prompt() -> None:
    claim = claimed()
    _, replies, _ = await told(FakeStream(claim.cancel_requested.set, asyncio.Event()), claim=claim)
    assert replies.calls[0].tokens_debited == estimated_prompt()


async def test_what_was_told_to_the_end_is_debited_as_told() -> None:
    assert (await debited_after("x" * 400, usage=USED))[0] == 12


async def test_without_a_price_there_is_no_cost_and_no_estimate() -> None:
    stream = FakeStream("x", usage=USED)
    stream.model_version = "somebody-elses"

    _, replies, _ = await told(stream, prices=at_a_dollar_a_token("first"))

    assert cost_of(replies.calls[0]) == (None, False)


async def test_where_no_version_is_told_the_price_of_the_model_that_was_asked_makes_an_estimate() -> None:
    stream = FakeStream("x", usage=USED)
    stream.model_version = None

    _, replies, _ = await told(stream, prices=at_a_dollar_a_token("first"))

    assert cost_of(replies.calls[0]) == (12, True)
