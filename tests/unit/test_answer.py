"""The story of one reply, with small fakes for what is around it."""

import asyncio
import json
import logging
from datetime import date

import pytest
from structlog.testing import capture_logs

from tests.support.answering import (
    BOUND,
    FakeBroadcaster,
    FakeReplies,
    a_lease,
    answerer_of,
    claimed,
    closed_for,
    now,
    told,
)
from tests.support.calls import fail
from tests.support.fake_provider import FakeProvider, FakeStream
from tests.support.scripted_model import ScriptedModel, chunk, refuses, says
from worker import answer as answer_module
from worker.config import WorkerSettings
from worker.errors import (
    AccessRefused,
    ContentBlocked,
    DatabaseAway,
    DatabaseRefused,
    Disconnected,
    EmptyReply,
    InternalError,
    ModelGone,
    ModelOverloaded,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
    TimedOut,
    Truncated,
)
from worker.model.admission import Admission
from worker.model.breakers import OPEN_SECONDS
from worker.model.gemini import Gemini
from worker.model.price_list import Price
from worker.model.pricing import Prices
from worker.network.jitter import JITTER
from worker.prompt.budget import Budget
from worker.prompt.context import build_chat_prompt
from worker.realtime.broadcast import Broadcaster
from worker.rows import FinishReason, Message, Usage


def unbilled(kind):
    """An error of a call that was refused as a whole."""
    return lambda reason: kind(reason).unbilled()


async def test_an_answer_is_shown_and_stored():
    provider, replies, broadcaster = await told(FakeStream("Hel", "lo"))

    assert [model for model, _ in provider.asked] == ["first"]
    assert provider.asked[0][1].turns[-1] == Message("user", "Why?")
    assert broadcaster.sent == [(1, 0, "Hel"), (1, 3, "lo"), "flush"]
    assert replies.settled == [("complete", "Hello", "stop")]


async def test_the_finish_reason_is_that_of_the_stream():
    _, replies, _ = await told(FakeStream("long", finish=FinishReason.MAX_TOKENS))

    assert replies.settled == [("complete", "long", "max_tokens")]


async def test_an_answer_that_repeats_itself_is_ended_and_kept_as_it_was_shown():
    sentence = "It asks a question, and holds back the answer. "
    heard = []
    pieces = [piece for _ in range(2_000) for piece in (sentence, lambda: heard.append(sentence))]
    claim = claimed()

    _, replies, broadcaster = await told(
        FakeStream("In short: ", *pieces, finish=FinishReason.MAX_TOKENS), claim=claim
    )

    assert replies.settled == [("complete", claim.text, "repeating")]
    assert broadcaster.sent.pop() == "flush"
    assert "".join(text for _, _, text in broadcaster.sent) == claim.text
    assert len(heard) < 90, "what it would say again is not waited for"


async def test_blank_lines_without_an_end_are_no_answer():
    _, replies, _ = await told(FakeStream(*["\n"] * 8_000), FakeStream("Because."))

    assert [settled[0] for settled in replies.settled] == ["next", "complete"]
    assert replies.settled[0][2] == "empty_reply"
    assert len(replies.settled[0][1]) < 4_000


async def test_the_ledger_knows_what_the_call_used():
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


async def test_offsets_count_as_javascript_does_and_text_is_clean():
    _, replies, broadcaster = await told(FakeStream("🧑", "\ud83c", "\udf73\x00", "x\ud83c"))

    assert broadcaster.sent == [(1, 0, "🧑"), (1, 2, "\U0001f373"), (1, 4, "x"), (1, 5, "\ufffd"), "flush"]
    assert replies.settled == [("complete", "🧑\U0001f373x\ufffd", "stop")]


@pytest.mark.parametrize("kind", [ModelOverloaded, RateLimited, Truncated, EmptyReply])
async def test_a_passing_error_starts_afresh_at_offset_zero(kind):
    usage = Usage(prompt=10, candidates=1)

    provider, replies, broadcaster = await told(FakeStream("half", now(kind), usage=usage), FakeStream("whole"))

    assert broadcaster.sent == [(1, 0, "half"), (2, 0, "whole"), "flush"]
    assert replies.settled == [("next", "half", kind.error_code), ("complete", "whole", "stop")]
    assert provider.asked[0][1].turns == provider.asked[1][1].turns
    assert [call.prompt_tokens for call in replies.calls] == [10, None]


async def test_half_a_pair_of_a_failed_attempt_does_not_come_back():
    _, replies, _ = await told(FakeStream("half\ud83c", now(Truncated)), FakeStream("\udf73"))

    assert replies.settled[-1] == ("complete", "\ufffd", "stop")


async def test_calls_come_to_an_end():
    streams = [FakeStream(now(Truncated)) for _ in range(3)]

    provider, replies, _ = await told(*streams, claim=claimed(calls_left=3))

    assert provider.streams == []
    assert replies.settled == [("next", "", "truncated")] * 2 + [("fail", "truncated", None)]


async def test_what_a_limit_refuses_is_none_of_them():
    streams = [FakeStream(RateLimited("x", 60.0)), FakeStream(now(Truncated)), FakeStream("x")]

    provider, replies, _ = await told(*streams, claim=claimed(calls_left=2))

    assert asked_in_order(provider) == ["first", "second", "second"]
    assert [settled[-1] for settled in replies.settled] == ["rate_limited", "truncated", "stop"]


@pytest.mark.parametrize("kind", [ContentBlocked, PromptTooLong, InternalError])
async def test_a_lasting_error_fails_with_its_code(kind):
    provider, replies, broadcaster = await told(FakeStream("half", kind("x", retry_after=1.0)))

    assert len(provider.asked) == 1
    assert replies.settled == [("fail", kind.error_code, None)]
    assert broadcaster.sent == [(1, 0, "half")]


def asked_in_order(provider):
    return [model for model, _ in provider.asked]


PASSING = [ModelOverloaded, RateLimited, QuotaSpent, ModelGone, TimedOut, Truncated, EmptyReply]


@pytest.mark.parametrize("kind", PASSING)
async def test_the_next_model_is_asked_at_once(kind):
    """Whatever the provider wishes: that is about the other model."""
    provider, replies, broadcaster = await told(FakeStream("half", kind("x", retry_after=600.0)), FakeStream("whole"))

    assert asked_in_order(provider) == ["first", "second"]
    assert [call.model_requested for call in replies.calls] == ["first", "second"]
    assert replies.settled == [("next", "half", kind.error_code), ("complete", "whole", "stop")]
    assert broadcaster.sent == [(1, 0, "half"), (2, 0, "whole"), "flush"]


@pytest.mark.parametrize("kind", [ModelOverloaded, TimedOut, Truncated, EmptyReply])
async def test_where_there_is_no_other_the_same_model_is_asked_again(kind):
    provider, _, _ = await told(FakeStream(now(kind)), FakeStream("x"), models=["first"])

    assert asked_in_order(provider) == ["first", "first"]


async def test_a_model_that_hangs_is_followed_by_the_next_in_the_same_claim():
    """With the real client, which gives the first up for its silence."""

    async def answers(exchange):
        if "/first:" in exchange.request.path:
            await exchange.gone.wait()
        else:
            await exchange.event(chunk("whole", "STOP"))

    async with ScriptedModel(answers) as server:
        gemini = Gemini(settings_of(server, model_first_token_seconds=0.1))
        replies = FakeReplies()
        answering = answerer_of(replies, gemini, FakeBroadcaster()).answer(claimed(), a_lease())
        await asyncio.wait_for(answering, BOUND)
        await gemini.close()

    assert replies.settled == [("next", "", "timed_out"), ("complete", "whole", "stop")]


@pytest.mark.parametrize("kind", [RateLimited, QuotaSpent, ModelGone, AccessRefused])
async def test_when_every_model_is_closed_the_question_waits_in_the_queue(kind):
    streams = [FakeStream(kind("x")), FakeStream(kind("x"))]

    provider, replies, _ = await told(*streams, models=["first"])

    assert asked_in_order(provider) == ["first"]
    [(verb, code, retry_in)] = replies.settled
    assert (verb, code, retry_in is None) == ("fail", kind.error_code, False)


async def test_a_refused_key_is_not_offered_to_the_next_model():
    provider, replies, _ = await told(FakeStream(AccessRefused("x")))

    assert asked_in_order(provider) == ["first"]
    assert replies.settled[0][:2] == ("fail", "model_unavailable")


async def test_what_is_gone_is_not_asked_again_and_what_is_overloaded_is():
    streams = [FakeStream(now(ModelGone)), FakeStream(now(ModelOverloaded)), FakeStream("x")]

    provider, replies, _ = await told(*streams)

    assert asked_in_order(provider) == ["first", "second", "second"]
    assert replies.settled[-1] == ("complete", "x", "stop")


async def test_the_fallback_is_one_of_the_calls():
    provider, replies, _ = await told(FakeStream(now(ModelOverloaded)), claim=claimed(calls_left=1))

    assert asked_in_order(provider) == ["first"]
    assert replies.settled == [("fail", "model_overloaded", None)]


async def test_a_model_whose_breaker_is_open_is_passed_over():
    admission = Admission(["first", "second"])
    fail(admission, "first")

    provider, _, _ = await told(FakeStream("x"), admission=admission)

    assert asked_in_order(provider) == ["second"]


async def test_when_no_model_may_be_asked_for_long_it_is_given_back_uncounted():
    admission = Admission(["first", "second"])
    fail(admission, "first")
    fail(admission, "second")
    claim = claimed(calls_left=1)

    provider, replies, _ = await told(admission=admission, claim=claim)

    assert provider.asked == []
    [(verb, due_in)] = replies.settled
    assert verb == "give_back"
    assert 0.9 * OPEN_SECONDS < due_in <= OPEN_SECONDS * (1 + JITTER) ** 2
    assert (claim.calls_left, claim.model) == (1, None)


async def test_a_short_wait_for_the_model_is_spent_in_the_claim():
    provider, replies, _ = await told(FakeStream("x"), admission=closed_for(0.05))

    assert asked_in_order(provider) == ["first"]
    assert replies.settled == [("complete", "x", "stop")]


@pytest.mark.parametrize(("closed", "deadline"), [(5.1, 60.0), (0.5, 0.4)])
async def test_a_wait_over_five_seconds_or_past_the_deadline_is_spent_in_the_queue(closed, deadline):
    provider, replies, _ = await told(admission=closed_for(closed), deadline=deadline)

    assert provider.asked == []
    [(verb, due_in)] = replies.settled
    assert (verb, due_in >= 0.9 * closed) == ("give_back", True)


async def test_one_that_cannot_be_given_back_is_left_to_the_next_beat():
    replies = FakeReplies()
    replies.give_back_error = DatabaseAway("give_back: ConnectError")
    admission = closed_for(60.0)

    with capture_logs() as lines:
        await told(admission=admission, replies=replies)

    assert [line["action"] for line in lines] == ["given_back", "give_back_failed"]


async def test_stopped_while_it_waits_for_a_model(monkeypatch):
    waits = asyncio.Event()
    monkeypatch.setattr(answer_module, "jittered", lambda seconds: (waits.set(), seconds)[1])
    claim, replies, provider = claimed(), FakeReplies(), FakeProvider()
    answerer = answerer_of(replies, provider, FakeBroadcaster(), closed_for(3.5))
    answering = asyncio.create_task(answerer.answer(claim, a_lease()))
    await asyncio.wait_for(waits.wait(), BOUND)

    claim.cancel_requested.set()
    await asyncio.wait_for(answering, 2)

    assert provider.asked == []
    assert replies.settled == [("complete", "", "cancelled")]
    assert replies.calls[0].model_requested is None


async def test_stopped_before_any_call():
    claim = claimed()
    claim.cancel_requested.set()

    provider, replies, _ = await told(claim=claim)

    assert provider.asked == []
    assert replies.settled == [("complete", "", "cancelled")]


async def test_without_a_lease_no_call_begins():
    """Somebody else may be answering it."""
    provider, replies, _ = await told(lease=a_lease(holds=False))

    assert provider.asked == []
    [(verb, due_in)] = replies.settled
    assert (verb, 0 < due_in < 1) == ("give_back", True)


async def test_nor_the_second_call_of_a_claim():
    lease = a_lease()

    def expire():
        lease.holds = False

    provider, replies, _ = await told(FakeStream(expire, now(ModelOverloaded)), lease=lease)

    assert asked_in_order(provider) == ["first"]
    assert [verb for verb, *_ in replies.settled] == ["next", "give_back"]


async def test_a_call_under_way_goes_on_past_the_lease():
    lease = a_lease()

    def expire():
        lease.holds = False

    _, replies, _ = await told(FakeStream("wh", expire, "ole"), lease=lease)

    assert replies.settled == [("complete", "whole", "stop")]


async def test_the_claim_knows_its_model_for_the_ledger_and_the_beat_is_hurried():
    claim, broadcaster, lease = claimed(), FakeBroadcaster(), a_lease()
    provider = FakeProvider(FakeStream("half", asyncio.Event()))
    answering = asyncio.create_task(answerer_of(FakeReplies(), provider, broadcaster).answer(claim, lease))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    assert claim.model == "first"
    assert lease.hurry.is_set()
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)


async def test_past_the_deadline_the_reply_goes_back_to_the_queue():
    stream = FakeStream("half", asyncio.Event(), usage=Usage(prompt=3))

    provider, replies, broadcaster = await told(stream, deadline=0.1)

    [(verb, code, retry_in)] = replies.settled
    assert (verb, code, len(provider.asked)) == ("fail", "timed_out", 1)
    assert retry_in >= 1
    assert replies.calls[0].prompt_tokens == 3
    assert broadcaster.sent == [(1, 0, "half")]


async def test_past_the_deadline_without_another_call_it_fails():
    _, replies, _ = await told(FakeStream(asyncio.Event()), deadline=0.1, claim=claimed(calls_left=1))

    assert replies.settled == [("fail", "timed_out", None)]


async def test_the_deadline_is_for_all_attempts_together():
    """A wish that ends after it is granted in the queue."""
    _, replies, _ = await told(FakeStream(Truncated("x", retry_after=4.0)), deadline=3.0, models=["first"])

    [(verb, code, retry_in)] = replies.settled
    assert (verb, code) == ("fail", "truncated")
    assert 4 <= retry_in <= 4 * (1 + JITTER)


async def test_the_estimate_learns_from_what_the_provider_counts():
    budget = Budget(32_000)

    provider, _, _ = await told(FakeStream("x", usage=Usage(prompt=100_000)), budget=budget)

    assert provider.asked[0][1].estimated_tokens > 100
    assert budget.ratio("s1") > 1


async def test_a_prompt_that_cannot_be_built_is_our_fault():
    claim = claimed()
    claim.reply.posts[0] = None

    provider, replies, _ = await told(claim=claim)

    assert provider.asked == []
    assert replies.settled == [("fail", "internal", None)]


async def test_a_long_wait_goes_back_to_the_queue():
    _, replies, _ = await told(FakeStream(Truncated("x", retry_after=23.0)), models=["first"])

    [(verb, code, retry_in)] = replies.settled
    assert (verb, code) == ("fail", "truncated")
    assert 23 <= retry_in <= 23 * (1 + JITTER)


async def test_a_cancelled_answer_keeps_what_was_shown():
    claim, broadcaster, replies = claimed(), FakeBroadcaster(), FakeReplies()
    provider = FakeProvider(FakeStream("half", asyncio.Event(), "never", usage=Usage(prompt=3)))
    answering = asyncio.create_task(answerer_of(replies, provider, broadcaster).answer(claim, a_lease()))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    claim.cancel_requested.set()
    await asyncio.wait_for(answering, BOUND)

    assert replies.settled == [("complete", "half", "cancelled")]
    assert replies.calls[0].prompt_tokens == 3
    assert broadcaster.sent == [(1, 0, "half"), "flush"]
    assert provider.left == 1


async def test_cancelled_between_two_attempts():
    claim = claimed()
    stream = FakeStream(claim.cancel_requested.set, Truncated("x", retry_after=3.5))

    provider, replies, _ = await asyncio.wait_for(told(stream, claim=claim, models=["first"]), 2)

    assert len(provider.asked) == 1
    assert replies.settled == [("complete", "", "cancelled")]


async def test_a_lost_claim_ends_quietly():
    provider, replies, broadcaster = await told(
        FakeStream("half", now(Truncated)), FakeStream("never"), replies=FakeReplies(held=False)
    )

    assert len(provider.asked) == 1
    assert replies.settled == [("next", "half", "truncated")]
    assert broadcaster.sent == [(1, 0, "half")]


async def test_a_claim_lost_at_the_end_is_not_an_error():
    with capture_logs() as lines:
        _, replies, _ = await told(FakeStream("x"), replies=FakeReplies(held=False))

    assert replies.settled == [("complete", "x", "stop")]
    assert [line["action"] for line in lines] == ["claim_lost"]


USED = Usage(prompt=10, candidates=2)


async def test_an_answer_refused_for_a_figure_is_offered_once_more_without_any():
    _, replies, _ = await told(FakeStream("x", usage=USED), replies=FakeReplies(refusals=["22003"]))

    assert replies.settled == [("complete", "x", "stop")]
    [call] = replies.calls
    assert (call.model_requested, call.prompt_tokens, call.latency_ms) == ("first", None, None)


def at_a_dollar_a_token(*models):
    """For prompt and answer alike, by the million: a cost reads as a count of tokens."""
    each = {"prompt": 1, "cached": 1, "output": 1, "as_of": date(2026, 11, 1), "source": "a test"}
    return Prices(Price(model=model, **each) for model in (*models, "offline-extractive"))


def cost_of(call):
    """In millionths of a dollar, and whether it is an estimate."""
    return None if call.cost_usd is None else round(call.cost_usd * 1_000_000), call.cost_is_estimated


def estimated_prompt(claim=None, budget=None):
    budget = budget or Budget(32_000)
    return build_chat_prompt((claim or claimed()).reply, budget).estimated_tokens


async def test_what_was_told_to_the_end_is_no_estimate():
    _, replies, _ = await told(FakeStream("x" * 400, usage=USED), prices=at_a_dollar_a_token())

    assert cost_of(replies.calls[0]) == (12, False)


@pytest.mark.parametrize(
    ("usage", "prompt", "answer"),
    [(None, None, 3), (Usage(prompt=10), 10, 3), (Usage(candidates=7), None, 7), (Usage(10, 0, 7, 5), 10, 12)],
)
@pytest.mark.parametrize("error", [Truncated, Disconnected, TimedOut, ModelOverloaded, ContentBlocked])
async def test_a_call_that_breaks_off_costs_what_is_estimated_of_it(usage, prompt, answer, error):
    """What was told stays as it was told; the rest is counted from the prompt and from the text so far."""
    stream = FakeStream("twelve bytes", error("x"), usage=usage)

    _, replies, _ = await told(stream, claim=claimed(calls_left=1), prices=at_a_dollar_a_token())

    [call] = replies.calls
    prompt = estimated_prompt() if prompt is None else prompt
    assert prompt > 0
    assert cost_of(call) == (prompt + answer, True)
    figures = (call.prompt_tokens, call.cached_tokens, call.candidate_tokens, call.thought_tokens)
    assert figures == ((usage.prompt, usage.cached, usage.candidates, usage.thoughts) if usage else (None,) * 4)


async def test_an_answer_whose_figures_come_only_in_part_costs_what_is_estimated():
    _, replies, _ = await told(FakeStream("x" * 40, usage=Usage(prompt=10)), prices=at_a_dollar_a_token())

    assert cost_of(replies.calls[0]) == (20, True)


async def test_the_estimate_of_a_prompt_is_corrected_by_what_the_provider_counts():
    budget = Budget(32_000)
    for _ in range(60):
        budget.learn("s1", 1_000, 2_000)

    _, replies, _ = await told(
        FakeStream(Truncated("x")), claim=claimed(calls_left=1), budget=budget, prices=at_a_dollar_a_token()
    )

    assert cost_of(replies.calls[0]) == (2 * estimated_prompt(), True)


async def test_a_stopped_answer_costs_what_is_estimated_of_it():
    claim = claimed()

    _, replies, _ = await told(
        FakeStream("twelve bytes", claim.cancel_requested.set, asyncio.Event()),
        claim=claim,
        prices=at_a_dollar_a_token(),
    )

    assert replies.settled == [("complete", "twelve bytes", "cancelled")]
    assert cost_of(replies.calls[0]) == (estimated_prompt() + 3, True)


async def test_past_the_deadline_it_costs_what_is_estimated_of_it():
    _, replies, _ = await told(
        FakeStream("twelve bytes", asyncio.Event()),
        deadline=0.1,
        claim=claimed(calls_left=1),
        prices=at_a_dollar_a_token(),
    )

    assert replies.settled == [("fail", "timed_out", None)]
    assert cost_of(replies.calls[0]) == (estimated_prompt() + 3, True)


async def test_what_a_lost_claim_has_spent_is_known_for_the_ledger():
    claim, broadcaster = claimed(), FakeBroadcaster()
    provider = FakeProvider(FakeStream("twelve bytes", asyncio.Event()))
    answerer = answerer_of(FakeReplies(), provider, broadcaster, prices=at_a_dollar_a_token())
    answering = asyncio.create_task(answerer.answer(claim, a_lease()))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    assert claim.call.model_requested == "first"
    assert cost_of(claim.call) == (estimated_prompt() + 3, True)


REFUSED = [
    RateLimited,
    QuotaSpent,
    ModelGone,
    AccessRefused,
    PromptTooLong,
    unbilled(InternalError),
    unbilled(ModelOverloaded),
]


@pytest.mark.parametrize("refusal", REFUSED)
@pytest.mark.parametrize("models", [(), ("first",)], ids=["without a price", "with one"])
async def test_a_call_that_is_refused_costs_nothing(refusal, models):
    _, replies, _ = await told(
        FakeStream(refusal("x")), claim=claimed(calls_left=1), models=["first"], prices=at_a_dollar_a_token(*models)
    )

    assert cost_of(replies.calls[0]) == (0, False)


async def test_a_limit_that_is_told_in_mid_stream_comes_too_late_to_cost_nothing():
    _, replies, _ = await told(
        FakeStream("twelve bytes", RateLimited("x")),
        claim=claimed(calls_left=1),
        models=["first"],
        prices=at_a_dollar_a_token(),
    )

    assert cost_of(replies.calls[0]) == (estimated_prompt() + 3, True)


def by_us(kind):
    """An error of a call that we have ended."""
    return lambda reason: kind(reason).by_us()


async def debited_after(*pieces, usage=None):
    """Tokens of the user's plan, of a call that ends like this, and of its prompt as estimated."""
    _, replies, _ = await told(FakeStream(*pieces, usage=usage), claim=claimed(calls_left=1), models=["first"])
    return replies.calls[0].tokens_debited, estimated_prompt()


@pytest.mark.parametrize("error", [*REFUSED, ModelOverloaded, TimedOut, Disconnected, Truncated, InternalError])
async def test_what_a_provider_ends_before_it_says_anything_is_nothing_to_the_user(error):
    """Also where it may be on the bill: an outage uses up nobody's day."""
    assert await debited_after(error("x")) == (0, estimated_prompt())


async def test_what_we_end_before_it_says_anything_is_its_prompt():
    """Or whoever has the model think for longer than we wait would ask for nothing."""
    debited, prompt = await debited_after(by_us(TimedOut)("x"))
    assert debited == prompt > 0


@pytest.mark.parametrize("error", [Truncated, Disconnected, TimedOut, ModelOverloaded, RateLimited])
@pytest.mark.parametrize(("usage", "spent"), [(None, 3), (Usage(candidates=7), 7), (Usage(10, 0, 7, 5), None)])
async def test_what_breaks_off_is_debited_as_estimated(error, usage, spent):
    debited, prompt = await debited_after("twelve bytes", error("x"), usage=usage)
    assert debited == (prompt + spent if spent else 10 + 7 + 5)


async def test_a_stop_before_the_first_word_is_debited_as_the_prompt():
    claim = claimed()
    _, replies, _ = await told(FakeStream(claim.cancel_requested.set, asyncio.Event()), claim=claim)
    assert replies.calls[0].tokens_debited == estimated_prompt()


async def test_what_was_told_to_the_end_is_debited_as_told():
    assert (await debited_after("x" * 400, usage=USED))[0] == 12


async def test_without_a_price_there_is_no_cost_and_no_estimate():
    stream = FakeStream("x", usage=USED)
    stream.model_version = "somebody-elses"

    _, replies, _ = await told(stream, prices=at_a_dollar_a_token("first"))

    assert cost_of(replies.calls[0]) == (None, False)


async def test_where_no_version_is_told_the_price_of_the_model_that_was_asked_makes_an_estimate():
    stream = FakeStream("x", usage=USED)
    stream.model_version = None

    _, replies, _ = await told(stream, prices=at_a_dollar_a_token("first"))

    assert cost_of(replies.calls[0]) == (12, True)


async def test_an_answer_refused_twice_for_its_content_fails():
    _, replies, _ = await told(FakeStream("x", usage=USED), replies=FakeReplies(refusals=["22003", "23514"]))

    assert replies.settled == [("fail", "internal", None)]
    assert replies.calls[0].prompt_tokens is None


async def test_an_answer_refused_for_another_reason_is_not_failed_at_once():
    """Replies has offered it for long by then; what becomes of it is the runner's to say."""
    replies = FakeReplies(refusals=["PGRST202"])

    with pytest.raises(DatabaseRefused):
        await told(FakeStream("x"), replies=replies)

    assert replies.settled == []


async def test_lengths_are_counted_once_for_each_piece(monkeypatch):
    """Counting the whole text at each piece would be quadratic work in the event loop."""
    counted, claim = [], claimed()
    count = answer_module.utf16_length
    monkeypatch.setattr(answer_module, "utf16_length", lambda text: (counted.append(text), count(text))[1])

    await told(FakeStream("🧑a", "b🧑", "c"), claim=claim)

    assert counted == ["🧑a", "b🧑", "c"]
    assert claim.length == 7


async def test_a_task_cancelled_from_outside_settles_nothing():
    broadcaster, replies = FakeBroadcaster(), FakeReplies()
    provider = FakeProvider(FakeStream("half", asyncio.Event()))
    answering = asyncio.create_task(answerer_of(replies, provider, broadcaster).answer(claimed(), a_lease()))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    assert answering.cancelled()
    assert replies.settled == []
    assert provider.left == 1


QUESTION, ANSWER, KEY, TOLD = "sentinel-question", "sentinel-answer", "sentinel-key", "sentinel-told"


def settings_of(server, **others):
    return WorkerSettings(
        _env_file=None,
        supabase_url=server.url,
        supabase_secret_key=KEY,
        gemini_api_key=KEY,
        gemini_base_url=server.url,
        **others,
    )


async def broken(exchange):
    await exchange.event(chunk(ANSWER))
    await exchange.raw(b"data: {" + ANSWER.encode() + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("script", "settled"),
    [
        (says(chunk(ANSWER, "STOP", usageMetadata={"promptTokenCount": 1})), "complete"),
        (says(chunk(ANSWER), chunk(finish="SAFETY")), "fail"),
        (says({"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": TOLD}}), "fail"),
        (broken, "fail"),
        (refuses(400, "INVALID_ARGUMENT", f"{TOLD} {QUESTION}"), "fail"),
        (refuses(404, "NOT_FOUND", TOLD), "fail"),
        (refuses(503, "UNAVAILABLE", TOLD), "fail"),
    ],
)
async def test_no_log_line_holds_text_or_a_key(script, settled, caplog):
    async def answers(exchange):
        if "broadcast" in exchange.request.path:
            await exchange.answer(500, {"message": TOLD})
        else:
            await script(exchange)

    # What the entry point lets libraries say.
    caplog.set_level(logging.WARNING)
    replies, claim = FakeReplies(), claimed(QUESTION, calls_left=1)
    with capture_logs() as lines:
        async with ScriptedModel(answers) as server:
            settings = settings_of(server)
            gemini, broadcaster = Gemini(settings), Broadcaster(settings)
            answerer = answerer_of(replies, gemini, broadcaster, models=["m"])
            sending = asyncio.create_task(broadcaster.run())
            await asyncio.wait_for(answerer.answer(claim, a_lease()), BOUND)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await gemini.close()
            await broadcaster.close()
        assert any(QUESTION in json.dumps(request.body) for request in server.requests)

    assert replies.settled[-1][0] == settled
    assert lines, "it says something"
    assert "sentinel" not in json.dumps(lines, default=repr) + caplog.text
