"""Fakes of what is around the answering of one reply."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

from tests.support.calls import call as call_of
from tests.support.fake_provider import FakeProvider, FakeStream
from worker.answer import Answerer
from worker.claim import Claim
from worker.database.replies import Replies
from worker.errors import DatabaseRefused, ModelError, RateLimited
from worker.model.admission import Admission
from worker.model.door import Provider
from worker.model.pricing import Prices
from worker.prompt.budget import Budget
from worker.realtime.broadcast import Broadcaster
from worker.rows import Call, Message, Reply
from worker.telemetry.reply import ReplyTelemetry
from worker.telemetry.traces import Traces

BOUND = 5  # seconds; what takes as long has failed


class FakeReplies:
    """Remembers how replies were settled. `held` is what the database says of the claim.

    `refusals`: the codes with which it refuses answers, one after the other.
    """

    def __init__(self, held: bool = True, refusals: Sequence[str] = ()) -> None:
        self.held = held
        self.refusals = list(refusals)
        self.give_back_error: Exception | None = None
        self.settled: list[tuple[Any, ...]] = []
        self.calls: list[Call] = []

    async def next_attempt(self, claim: Claim, error_code: str, call: Call) -> bool:
        self.settled.append(("next", claim.text, error_code))
        self.calls.append(call)
        if self.held:
            claim.begin(claim.attempt + 1)
        return self.held

    async def complete(self, claim: Claim, finish_reason: str, call: Call) -> bool:
        if self.refusals:
            code = self.refusals.pop(0)
            raise DatabaseRefused(f"complete_reply: {code}", code)
        self.settled.append(("complete", claim.text, finish_reason))
        self.calls.append(call)
        return self.held

    async def fail(self, claim: Claim, error_code: str, retry_in: float | None, call: Call) -> bool:
        self.settled.append(("fail", error_code, retry_in))
        self.calls.append(call)
        return self.held

    async def give_back(self, claim: Claim, due_in: float) -> None:
        if self.give_back_error:
            raise self.give_back_error
        self.settled.append(("give_back", due_in))


class FakeBroadcaster:
    """Remembers (attempt, offset, text), and "flush" where the last piece had to be out."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.something = asyncio.Event()

    def send(self, session_id: str, message_id: str, attempt: int, offset: int, text: str) -> None:
        assert (session_id, message_id) == ("s1", "m1")
        self.sent.append((attempt, offset, text))
        self.something.set()

    @contextlib.contextmanager
    def answering(self, message_id: str) -> Iterator[None]:
        yield

    async def flush_last(self, message_id: str) -> None:
        self.sent.append("flush")


def claimed(question: str = "Why?", calls_left: int = 3) -> Claim:
    reply = Reply("m1", "s1", "u1", 1, 1, calls_left, question, [Message("user", question)], [{}], [{}])
    return Claim(reply, "w1", attempt=1, calls_left=calls_left)


def a_lease(holds: bool = True) -> Any:
    """What an answer asks of a lease."""
    return SimpleNamespace(holds=holds, hurry=asyncio.Event())


def answerer_of(
    replies: FakeReplies,
    provider: Provider,
    broadcaster: FakeBroadcaster | Broadcaster,
    admission: Admission | None = None,
    budget: Budget | None = None,
    deadline: float = 60.0,
    models: Sequence[str] = ("first", "second"),
    traces: Traces | None = None,
    prices: Prices | None = None,
) -> Answerer:
    admission, budget = admission or Admission(list(models)), budget or Budget(32_000)
    prices, telemetry = prices or Prices.load(), ReplyTelemetry(traces or Traces())
    return Answerer(
        cast(Replies, replies),
        provider,
        cast(Broadcaster, broadcaster),
        admission,
        budget,
        telemetry,
        prices,
        deadline,
    )


async def told(
    *streams: FakeStream,
    claim: Claim | None = None,
    replies: FakeReplies | None = None,
    lease: Any = None,
    **others: Any,
) -> tuple[FakeProvider, FakeReplies, FakeBroadcaster]:
    """Answer one claim; the fakes know what happened."""
    provider, replies, broadcaster = FakeProvider(*streams), replies or FakeReplies(), FakeBroadcaster()
    answerer = answerer_of(replies, provider, broadcaster, **others)
    await asyncio.wait_for(answerer.answer(claim or claimed(), lease or a_lease()), BOUND)
    assert provider.left == len(provider.asked), "every stream is left"
    return provider, replies, broadcaster


def asked_in_order(provider: FakeProvider) -> list[str]:
    return [model for model, _ in provider.asked]


def now(kind: type[ModelError]) -> ModelError:
    """An error to be retried without a wait."""
    return kind("x", retry_after=0.0)


def closed_for(seconds: float) -> Admission:
    """The only model, which its provider has closed for so long."""
    admission = Admission(["first"])
    call_of(admission, "first", RateLimited("x", seconds))
    return admission
