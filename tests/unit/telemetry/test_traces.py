"""One trace for each reply, with OpenTelemetry's names, and not a word of what was said."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tests.support.answering import FakeBroadcaster, FakeReplies, a_lease, answerer_of, claimed, now, told
from tests.support.fake_provider import FakeProvider, FakeStream
from worker.claim import Claim
from worker.errors import ContentBlocked, ModelOverloaded
from worker.rows import FinishReason, Usage
from worker.telemetry.otlp import SentTraces


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Iterator[SentTraces]:
    sent = SentTraces(SimpleSpanProcessor(exporter), "w1")
    yield sent
    sent.close()


def named(exporter: InMemorySpanExporter, name: str) -> list[Any]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def waiting(claim: Claim, milliseconds: int) -> Claim:
    return replace(claim, reply=replace(claim.reply, waiting_ms=milliseconds))


def of_version(claim: Claim, version: int) -> Claim:
    return replace(claim, reply=replace(claim.reply, version=version))


async def test_an_answer_is_one_trace_from_the_question_on(
    traces: SentTraces, exporter: InMemorySpanExporter
) -> None:
    usage = Usage(prompt=10, cached=4, candidates=5, thoughts=3)

    await told(FakeStream("x", usage=usage), claim=waiting(claimed(), 1500), traces=traces)

    spans: tuple[Any, ...] = exporter.get_finished_spans()
    assert sorted(span.name for span in spans) == [
        "complete_reply",
        "generate_content first",
        "reply",
        "wait for a claim",
    ]
    assert len({span.context.trace_id for span in spans}) == 1
    [root] = named(exporter, "reply")
    assert root.parent is None
    assert {span.parent.span_id for span in spans if span is not root} == {root.context.span_id}
    [wait] = named(exporter, "wait for a claim")
    assert (wait.start_time, wait.end_time - wait.start_time) == (root.start_time, 1_500_000_000)
    assert all(wait.end_time <= span.start_time <= span.end_time <= root.end_time for span in spans[1:-1])
    assert dict(root.attributes) == {
        "gen_ai.conversation.id": "s1",
        "postbro.message.id": "m1",
        "postbro.reply.version": 1,
        "postbro.reply.attempt": 1,
        "postbro.reply.outcome": "completed",
    }
    assert root.resource.attributes["service.name"] == "postbro-chat"
    assert root.resource.attributes["service.instance.id"] == "w1"


async def test_a_call_by_the_genai_conventions(traces: SentTraces, exporter: InMemorySpanExporter) -> None:
    usage = Usage(prompt=10, cached=4, candidates=5, thoughts=3)

    await told(FakeStream("x", finish=FinishReason.MAX_TOKENS, usage=usage), traces=traces)

    [call] = named(exporter, "generate_content first")
    assert call.kind.name == "CLIENT"
    attributes = dict(call.attributes)
    assert attributes.pop("postbro.prompt.version")
    assert attributes == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.conversation.id": "s1",
        "gen_ai.request.model": "first",
        "gen_ai.response.model": "offline-extractive",
        "gen_ai.response.finish_reasons": ("max_tokens",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.output_tokens": 8,
        "gen_ai.usage.reasoning.output_tokens": 3,
        "postbro.first_token_ms": 1,
        "postbro.reply.attempt": 1,
    }


async def test_each_attempt_is_a_span_of_the_same_trace(traces: SentTraces, exporter: InMemorySpanExporter) -> None:
    await told(FakeStream(now(ModelOverloaded)), FakeStream("x"), models=("first",), traces=traces)

    first, second = named(exporter, "generate_content first")
    assert first.context.trace_id == second.context.trace_id
    assert (first.attributes["error.type"], first.status.status_code) == ("model_overloaded", StatusCode.ERROR)
    assert "error.type" not in second.attributes
    assert [span.attributes["postbro.reply.attempt"] for span in (first, second)] == [1, 2]
    assert named(exporter, "next_attempt")


async def test_a_failure(traces: SentTraces, exporter: InMemorySpanExporter) -> None:
    await told(FakeStream(ContentBlocked("sentinel")), traces=traces)

    [root] = named(exporter, "reply")
    assert (root.attributes["postbro.reply.outcome"], root.status.status_code) == ("failed", StatusCode.ERROR)
    assert named(exporter, "fail_reply")


async def test_every_worker_that_claims_a_reply_writes_to_its_trace_and_a_new_version_has_its_own(
    traces: SentTraces, exporter: InMemorySpanExporter
) -> None:
    for version in (1, 1, 2):
        await told(FakeStream("x"), claim=of_version(claimed(), version), traces=traces)

    first, second, other = (span.context.trace_id for span in named(exporter, "reply"))
    assert first == second != other


async def test_replies_side_by_side_are_not_mixed_up(traces: SentTraces, exporter: InMemorySpanExporter) -> None:
    claims = [claimed(), of_version(claimed(), 2)]
    pairs = [(FakeProvider(FakeStream("x")), claim) for claim in claims]
    await asyncio.gather(
        *(
            answerer_of(FakeReplies(), provider, FakeBroadcaster(), traces=traces).answer(claim, a_lease())
            for provider, claim in pairs
        )
    )

    roots = {span.context.span_id: span.context.trace_id for span in named(exporter, "reply")}
    calls = named(exporter, "generate_content first")
    assert len(set(roots.values())) == 2
    assert [roots[call.parent.span_id] for call in calls] == [call.context.trace_id for call in calls]


async def test_a_claim_given_up_says_so(traces: SentTraces, exporter: InMemorySpanExporter) -> None:
    broadcaster = FakeBroadcaster()
    provider = FakeProvider(FakeStream("half", asyncio.Event()))
    answerer = answerer_of(FakeReplies(), provider, broadcaster, traces=traces)
    answering = asyncio.create_task(answerer.answer(claimed(), a_lease()))
    await asyncio.wait_for(broadcaster.something.wait(), 5)
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    [root], [call] = named(exporter, "reply"), named(exporter, "generate_content first")
    assert root.attributes["postbro.reply.outcome"] == call.attributes["error.type"] == "lost"


@pytest.mark.parametrize(
    "stream",
    [FakeStream("sentinel"), FakeStream("sentinel", ContentBlocked("sentinel")), FakeStream(ValueError("sentinel"))],
)
async def test_no_span_holds_text(traces: SentTraces, exporter: InMemorySpanExporter, stream: FakeStream) -> None:
    answering = answerer_of(FakeReplies(), FakeProvider(stream), FakeBroadcaster(), traces=traces)
    await asyncio.gather(answering.answer(claimed("sentinel question"), a_lease()), return_exceptions=True)

    spans = exporter.get_finished_spans()
    assert spans
    assert "sentinel" not in "".join(span.to_json() for span in spans)
    assert not any(span.events for span in spans)


class DeafProcessor(SpanProcessor):
    """Cannot come to its end before it may."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.ended = threading.Event()

    def shutdown(self) -> None:
        self.may_end.wait()
        self.ended.set()


def test_a_deaf_collector_does_not_keep_the_worker_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.telemetry.otlp.CLOSE_SECONDS", 0.01)
    processor = DeafProcessor()
    closing = threading.Thread(target=SentTraces(processor, "w1").close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    assert not processor.ended.is_set()
    processor.may_end.set()
    assert processor.ended.wait(5)


def test_no_library_brings_aiohttp_along() -> None:
    """google-genai would take it for its own, with other timeouts and hidden retries."""
    ended = subprocess.run([sys.executable, "-c", "import aiohttp"], capture_output=True, check=False)
    assert ended.returncode != 0
