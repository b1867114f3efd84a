"""The story of one reply, with small fakes for what is around it."""

import asyncio
import contextlib
import json
import logging

import pytest
from structlog.testing import capture_logs

from tests.scripted_model import ScriptedModel, chunk, refuses, says
from worker.answer import Answerer
from worker.breakers import LEAST_CALLS, Breakers
from worker.broadcast import Broadcaster
from worker.budget import Budget
from worker.config import WorkerSettings
from worker.errors import (
    ContentBlocked,
    DatabaseRefused,
    EmptyReply,
    ModelGone,
    ModelOverloaded,
    ModelUnavailable,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
    TimedOut,
    Truncated,
)
from worker.gemini import Gemini
from worker.models import Message, Reply, Usage
from worker.replies import Claim
from worker.traces import Traces

BOUND = 5  # seconds; what takes as long has failed


class FakeStream:
    """Says its pieces; an exception among them is raised, and an event is waited for."""

    def __init__(self, *pieces, finish="stop", usage=None):
        self.pieces = pieces
        self.finish = finish
        self.usage = usage
        self.finish_reason = None
        self.model_version = "offline-extractive"
        self.first_token_ms, self.latency_ms = 1, 2

    async def __aiter__(self):
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            else:
                yield piece
        self.finish_reason = self.finish


class FakeGemini:
    """Each stream is the next of those given."""

    def __init__(self, *streams):
        self.streams = list(streams)
        self.asked = []
        self.left = 0

    @contextlib.asynccontextmanager
    async def stream(self, model, prompt):
        self.asked.append((model, prompt))
        try:
            yield self.streams.pop(0)
        finally:
            self.left += 1


class FakeReplies:
    """Remembers how replies were settled. `held` is what the database says of the claim."""

    def __init__(self, held=True, refused=False):
        self.held = held
        self.refused = refused
        self.settled = []
        self.calls = []

    async def next_attempt(self, claim, error_code, call):
        self.settled.append(("next", claim.text, error_code))
        self.calls.append(call)
        if self.held:
            claim.begin(claim.attempt + 1)
        return self.held

    async def complete(self, claim, finish_reason, call):
        if self.refused:
            raise DatabaseRefused("complete_reply: 22P05")
        self.settled.append(("complete", claim.text, finish_reason))
        self.calls.append(call)
        return self.held

    async def fail(self, claim, error_code, retry_in, call):
        self.settled.append(("fail", error_code, retry_in))
        self.calls.append(call)
        return self.held


class FakeBroadcaster:
    """Remembers (attempt, offset, text), and "flush" where the last piece had to be out."""

    def __init__(self):
        self.sent = []
        self.something = asyncio.Event()

    def send(self, session_id, message_id, attempt, offset, text):
        assert (session_id, message_id) == ("s1", "m1")
        self.sent.append((attempt, offset, text))
        self.something.set()

    async def flush_last(self, message_id, attempt):
        self.sent.append("flush")


def claimed(question="Why?", tries_left=2) -> Claim:
    reply = Reply("m1", "s1", 1, 1, tries_left, question, [Message("user", question)], [{}], [{}])
    return Claim(reply, attempt=1, tries_left=tries_left, lease_until=float("inf"))


def answerer_of(
    replies,
    gemini,
    broadcaster,
    breakers=None,
    budget=None,
    deadline=60.0,
    models=("first", "second"),
    traces=None,
):
    breakers = breakers or Breakers(list(models))
    return Answerer(replies, gemini, broadcaster, breakers, budget or Budget(32_000), traces or Traces(), deadline)


async def told(*streams, claim=None, replies=None, **others):
    """Answer one claim; the fakes know what happened."""
    gemini, replies, broadcaster = FakeGemini(*streams), replies or FakeReplies(), FakeBroadcaster()
    answerer = answerer_of(replies, gemini, broadcaster, **others)
    await asyncio.wait_for(answerer.answer(claim or claimed()), BOUND)
    assert gemini.left == len(gemini.asked), "every stream is left"
    return gemini, replies, broadcaster


def now(kind):
    """An error to be retried without a wait."""
    return kind("x", retry_after=0.0)


async def test_an_answer_is_shown_and_stored():
    gemini, replies, broadcaster = await told(FakeStream("Hel", "lo"))

    assert [model for model, _ in gemini.asked] == ["first"]
    assert gemini.asked[0][1].contents[-1] == {"role": "user", "parts": [{"text": "Why?"}]}
    assert broadcaster.sent == [(1, 0, "Hel"), (1, 3, "lo"), "flush"]
    assert replies.settled == [("complete", "Hello", "stop")]


async def test_the_finish_reason_is_that_of_the_stream():
    _, replies, _ = await told(FakeStream("long", finish="max_tokens"))

    assert replies.settled == [("complete", "long", "max_tokens")]


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

    gemini, replies, broadcaster = await told(FakeStream("half", now(kind), usage=usage), FakeStream("whole"))

    assert broadcaster.sent == [(1, 0, "half"), (2, 0, "whole"), "flush"]
    assert replies.settled == [("next", "half", kind.error_code), ("complete", "whole", "stop")]
    assert gemini.asked[0][1].contents == gemini.asked[1][1].contents
    assert [call.prompt_tokens for call in replies.calls] == [10, None]


async def test_half_a_pair_of_a_failed_attempt_does_not_come_back():
    _, replies, _ = await told(FakeStream("half\ud83c", now(Truncated)), FakeStream("\udf73"))

    assert replies.settled[-1] == ("complete", "\ufffd", "stop")


async def test_tries_come_to_an_end():
    streams = [FakeStream(now(Truncated)) for _ in range(3)]

    gemini, replies, _ = await told(*streams, claim=claimed(tries_left=2))

    assert gemini.streams == []
    assert replies.settled == [("next", "", "truncated")] * 2 + [("fail", "truncated", None)]


@pytest.mark.parametrize("kind", [ContentBlocked, ModelUnavailable, PromptTooLong])
async def test_a_lasting_error_fails_with_its_code(kind):
    gemini, replies, broadcaster = await told(FakeStream("half", kind("x", retry_after=1.0)))

    assert len(gemini.asked) == 1
    assert replies.settled == [("fail", kind.error_code, None)]
    assert broadcaster.sent == [(1, 0, "half")]


def asked_in_order(gemini):
    return [model for model, _ in gemini.asked]


@pytest.mark.parametrize("kind", [ModelOverloaded, QuotaSpent, ModelGone])
async def test_the_next_model_is_asked_at_once(kind):
    """Whatever the provider wishes: that is about the other model."""
    gemini, replies, broadcaster = await told(FakeStream("half", kind("x", retry_after=600.0)), FakeStream("whole"))

    assert asked_in_order(gemini) == ["first", "second"]
    assert [call.model_requested for call in replies.calls] == ["first", "second"]
    assert replies.settled == [("next", "half", kind.error_code), ("complete", "whole", "stop")]
    assert broadcaster.sent == [(1, 0, "half"), (2, 0, "whole"), "flush"]


@pytest.mark.parametrize("kind", [RateLimited, TimedOut, Truncated, EmptyReply])
async def test_for_other_errors_the_same_model_is_asked_again(kind):
    gemini, _, _ = await told(FakeStream(now(kind)), FakeStream("x"))

    assert asked_in_order(gemini) == ["first", "first"]


@pytest.mark.parametrize("kind", [QuotaSpent, ModelGone])
async def test_no_model_is_left(kind):
    gemini, replies, _ = await told(FakeStream(kind("x")), FakeStream(kind("x")), claim=claimed(tries_left=3))

    assert asked_in_order(gemini) == ["first", "second"]
    assert replies.settled == [("next", "", kind.error_code), ("fail", kind.error_code, None)]


async def test_what_is_gone_is_not_asked_again_and_what_is_overloaded_is():
    streams = [FakeStream(now(ModelOverloaded)), FakeStream(now(ModelGone)), FakeStream("x")]

    gemini, replies, _ = await told(*streams, claim=claimed(tries_left=3))

    # The pause before the third is the back-off of a second failure: at most two seconds.
    assert asked_in_order(gemini) == ["first", "second", "first"]
    assert replies.settled[-1] == ("complete", "x", "stop")


async def test_the_fallback_costs_a_try():
    gemini, replies, _ = await told(FakeStream(now(ModelOverloaded)), claim=claimed(tries_left=0))

    assert asked_in_order(gemini) == ["first"]
    assert replies.settled == [("fail", "model_overloaded", None)]


def failed(breakers, model, kind=ModelOverloaded, times=LEAST_CALLS):
    for _ in range(times):
        with contextlib.suppress(kind), breakers.watch(model):
            raise kind("x")


async def test_a_model_whose_breaker_is_open_is_passed_over():
    breakers = Breakers(["first", "second"])
    failed(breakers, "first")

    gemini, _, _ = await told(FakeStream("x"), breakers=breakers)

    assert asked_in_order(gemini) == ["second"]


@pytest.mark.parametrize(
    ("kinds", "settled"),
    [
        ([ModelOverloaded, TimedOut], ("fail", "model_overloaded", 20.0)),
        ([ModelGone, TimedOut], ("fail", "timed_out", 20.0)),
        ([QuotaSpent, ModelGone], ("fail", "rate_limited", None)),
    ],
)
async def test_when_every_breaker_is_open_nobody_is_asked(kinds, settled):
    breakers = Breakers(["first", "second"])
    for model, kind in zip(["first", "second"], kinds, strict=True):
        failed(breakers, model, kind)

    gemini, replies, _ = await told(breakers=breakers)

    assert gemini.asked == []
    assert replies.settled == [settled]
    assert replies.calls[0].model_requested is None


async def test_the_claim_knows_its_model_for_the_ledger():
    claim, broadcaster = claimed(), FakeBroadcaster()
    gemini = FakeGemini(FakeStream("half", asyncio.Event()))
    answering = asyncio.create_task(answerer_of(FakeReplies(), gemini, broadcaster).answer(claim))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    assert claim.model == "first"
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)


async def test_past_the_deadline_the_reply_goes_back_to_the_queue():
    stream = FakeStream("half", asyncio.Event(), usage=Usage(prompt=3))

    gemini, replies, broadcaster = await told(stream, deadline=0.1)

    [(verb, code, retry_in)] = replies.settled
    assert (verb, code, len(gemini.asked)) == ("fail", "timed_out", 1)
    assert retry_in >= 1
    assert replies.calls[0].prompt_tokens == 3
    assert broadcaster.sent == [(1, 0, "half")]


async def test_past_the_deadline_without_tries_it_fails():
    _, replies, _ = await told(FakeStream(asyncio.Event()), deadline=0.1, claim=claimed(tries_left=0))

    assert replies.settled == [("fail", "timed_out", None)]


async def test_the_deadline_is_for_all_attempts_together():
    """A wish that ends after it is granted in the queue."""
    _, replies, _ = await told(FakeStream(RateLimited("x", retry_after=4.0)), deadline=3.0)

    assert replies.settled == [("fail", "rate_limited", 4.0)]


async def test_the_estimate_learns_from_what_the_provider_counts():
    budget = Budget(32_000)

    gemini, _, _ = await told(FakeStream("x", usage=Usage(prompt=100_000)), budget=budget)

    assert gemini.asked[0][1].estimated_tokens > 100
    assert budget.ratio > 1


async def test_a_prompt_that_cannot_be_built_is_our_fault():
    claim = claimed()
    claim.reply.posts[0] = None

    gemini, replies, _ = await told(claim=claim)

    assert gemini.asked == []
    assert replies.settled == [("fail", "internal", None)]


async def test_a_long_wait_goes_back_to_the_queue():
    _, replies, _ = await told(FakeStream(RateLimited("x", retry_after=23.0)))

    assert replies.settled == [("fail", "rate_limited", 23.0)]


async def test_a_cancelled_answer_keeps_what_was_shown():
    claim, broadcaster, replies = claimed(), FakeBroadcaster(), FakeReplies()
    gemini = FakeGemini(FakeStream("half", asyncio.Event(), "never", usage=Usage(prompt=3)))
    answering = asyncio.create_task(answerer_of(replies, gemini, broadcaster).answer(claim))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    claim.cancel_requested.set()
    await asyncio.wait_for(answering, BOUND)

    assert replies.settled == [("complete", "half", "cancelled")]
    assert replies.calls[0].prompt_tokens == 3
    assert broadcaster.sent == [(1, 0, "half"), "flush"]
    assert gemini.left == 1


async def test_cancelled_between_two_attempts():
    claim = claimed()
    claim.cancel_requested.set()

    gemini, replies, _ = await told(FakeStream(RateLimited("x", retry_after=4.0)), claim=claim)

    assert len(gemini.asked) == 1
    assert replies.settled == [("complete", "", "cancelled")]


async def test_a_lost_claim_ends_quietly():
    gemini, replies, broadcaster = await told(
        FakeStream("half", now(Truncated)), FakeStream("never"), replies=FakeReplies(held=False)
    )

    assert len(gemini.asked) == 1
    assert replies.settled == [("next", "half", "truncated")]
    assert broadcaster.sent == [(1, 0, "half")]


async def test_a_claim_lost_at_the_end_is_not_an_error():
    with capture_logs() as lines:
        _, replies, _ = await told(FakeStream("x"), replies=FakeReplies(held=False))

    assert replies.settled == [("complete", "x", "stop")]
    assert [line["action"] for line in lines] == ["claim_lost"]


async def test_an_answer_that_the_database_refuses_fails():
    _, replies, _ = await told(FakeStream("x"), replies=FakeReplies(refused=True))

    assert replies.settled == [("fail", "internal", None)]


async def test_a_task_cancelled_from_outside_settles_nothing():
    broadcaster, replies = FakeBroadcaster(), FakeReplies()
    gemini = FakeGemini(FakeStream("half", asyncio.Event()))
    answering = asyncio.create_task(answerer_of(replies, gemini, broadcaster).answer(claimed()))
    await asyncio.wait_for(broadcaster.something.wait(), BOUND)

    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    assert answering.cancelled()
    assert replies.settled == []
    assert gemini.left == 1


QUESTION, ANSWER, KEY, TOLD = "sentinel-question", "sentinel-answer", "sentinel-key", "sentinel-told"


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
    replies, claim = FakeReplies(), claimed(QUESTION, tries_left=0)
    with capture_logs() as lines:
        async with ScriptedModel(answers) as server:
            settings = WorkerSettings(
                _env_file=None,
                supabase_url=server.url,
                supabase_secret_key=KEY,
                gemini_api_key=KEY,
                gemini_base_url=server.url,
            )
            gemini, broadcaster = Gemini(settings), Broadcaster(settings)
            await asyncio.wait_for(answerer_of(replies, gemini, broadcaster, models=["m"]).answer(claim), BOUND)
            await broadcaster.flush()
            await gemini.close()
            await broadcaster.close()
        assert any(QUESTION in json.dumps(request.body) for request in server.requests)

    assert replies.settled[-1][0] == settled
    assert lines, "it says something"
    assert "sentinel" not in json.dumps(lines, default=repr) + caplog.text
