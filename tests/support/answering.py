"""Fakes of what is around the answering of one reply."""

import asyncio
import contextlib
from types import SimpleNamespace

from tests.support.calls import call as call_of
from tests.support.fake_provider import FakeProvider
from worker.answer import Answerer
from worker.claim import Claim
from worker.errors import DatabaseRefused, RateLimited
from worker.model.admission import Admission
from worker.model.pricing import Prices
from worker.prompt.budget import Budget
from worker.rows import Message, Reply
from worker.telemetry.reply import ReplyTelemetry
from worker.telemetry.traces import Traces

BOUND = 5  # seconds; what takes as long has failed


class FakeReplies:
    """Remembers how replies were settled. `held`: whether the claim still holds.

    `refusals`: the codes with which it refuses answers, one after the other.
    """

    def __init__(self, held=True, refusals=()):
        self.held = held
        self.refusals = list(refusals)
        self.give_back_error = None
        self.settled = []
        self.calls = []

    async def next_attempt(self, claim, error_code, call):
        self.settled.append(("next", claim.text, error_code))
        self.calls.append(call)
        if self.held:
            claim.begin(claim.attempt + 1)
        return self.held

    async def complete(self, claim, finish_reason, call):
        if self.refusals:
            code = self.refusals.pop(0)
            raise DatabaseRefused(f"complete_reply: {code}", code)
        self.settled.append(("complete", claim.text, finish_reason))
        self.calls.append(call)
        return self.held

    async def fail(self, claim, error_code, retry_in, call):
        self.settled.append(("fail", error_code, retry_in))
        self.calls.append(call)
        return self.held

    async def give_back(self, claim, due_in):
        if self.give_back_error:
            raise self.give_back_error
        self.settled.append(("give_back", due_in))


class FakeBroadcaster:
    """Remembers (attempt, offset, text), and "flush" where the last piece had to be out."""

    def __init__(self):
        self.sent = []
        self.something = asyncio.Event()

    def send(self, session_id, message_id, attempt, offset, text):
        assert (session_id, message_id) == ("s1", "m1")
        self.sent.append((attempt, offset, text))
        self.something.set()

    @contextlib.contextmanager
    def answering(self, message_id):
        yield

    async def flush_last(self, message_id):
        self.sent.append("flush")


def claimed(question="Why?", calls_left=3) -> Claim:
    reply = Reply("m1", "s1", "u1", 1, 1, calls_left, question, [Message("user", question)], [{}], [{}])
    return Claim(reply, "w1", attempt=1, calls_left=calls_left)


def a_lease(holds=True):
    return SimpleNamespace(holds=holds, hurry=asyncio.Event())


def answerer_of(
    replies,
    provider,
    broadcaster,
    admission=None,
    budget=None,
    deadline=60.0,
    models=("first", "second"),
    traces=None,
    prices=None,
):
    admission, budget = admission or Admission(list(models)), budget or Budget(32_000)
    prices, telemetry = prices or Prices.load(), ReplyTelemetry(traces or Traces())
    return Answerer(replies, provider, broadcaster, admission, budget, telemetry, prices, deadline)


async def told(*streams, claim=None, replies=None, lease=None, **others):
    """Answer one claim; return the fakes, which have recorded the calls."""
    provider, replies, broadcaster = FakeProvider(*streams), replies or FakeReplies(), FakeBroadcaster()
    answerer = answerer_of(replies, provider, broadcaster, **others)
    await asyncio.wait_for(answerer.answer(claim or claimed(), lease or a_lease()), BOUND)
    assert provider.left == len(provider.asked), "every stream is left"
    return provider, replies, broadcaster


def now(kind):
    """An error to be retried without a wait."""
    return kind("x", retry_after=0.0)


def closed_for(seconds):
    """The only model, which its provider has closed for so long."""
    admission = Admission(["first"])
    call_of(admission, "first", RateLimited("x", seconds))
    return admission
