"""What each call costs: as told, or as estimated."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from tests.support.answering import BOUND, FakeBroadcaster, FakeReplies, a_lease, answerer_of, claimed, told
from tests.support.costs import REFUSED, USED, at_a_dollar_a_token, cost_of, estimated_prompt
from tests.support.fake_provider import FakeProvider, FakeStream
from worker.errors import ContentBlocked, Disconnected, ModelError, ModelOverloaded, RateLimited, TimedOut, Truncated
from worker.prompt.budget import Budget
from worker.rows import Usage


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
