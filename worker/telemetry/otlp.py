"""Sends traces by OTLP, with attributes of OpenTelemetry's GenAI conventions."""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanKind, StatusCode, use_span
from opentelemetry.util.types import AttributeValue

from worker.claim import Claim
from worker.rows import Call, CallEnd, ClaimEnd, FinishReason
from worker.telemetry.traces import CallSpan, ReplySpan, Traces

EXPORT_SECONDS = 5.0
CLOSE_SECONDS = 3.0
"""Timeout of the last export at shutdown; unsent spans are dropped."""
WELL = {*FinishReason, ClaimEnd.COMPLETED}
"""Outcomes of calls and claims that are not errors."""

_trace_id: ContextVar[int] = ContextVar("trace id")


class _Ids(RandomIdGenerator):
    def generate_trace_id(self) -> int:
        return _trace_id.get()


def exporting_to(endpoint: str) -> SpanProcessor:
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    return BatchSpanProcessor(exporter)


class SentTraces(Traces):
    """A reply has one trace, also if it is claimed several times: each claim is a root span in it."""

    def __init__(self, processor: SpanProcessor, worker_id: str) -> None:
        service = os.environ.get("OTEL_SERVICE_NAME", "postbro-chat")
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: service, SERVICE_INSTANCE_ID: worker_id}),
            id_generator=_Ids(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("postbro-chat")

    @contextlib.contextmanager
    def reply(self, claim: Claim) -> Iterator[ReplySpan]:
        _trace_id.set(trace_id(claim))
        claimed = time.time_ns()
        asked = claimed - claim.reply.waiting_ms * 1_000_000
        attributes: dict[str, AttributeValue] = {
            "gen_ai.conversation.id": claim.reply.session_id,
            "postbro.message.id": claim.message_id,
            "postbro.reply.version": claim.reply.version,
        }
        root = self._tracer.start_span(
            "reply", Context(), kind=SpanKind.CONSUMER, attributes=attributes, start_time=asked
        )
        span = ReplySpan()
        # Exceptions are not recorded, since their messages would be sent: attributes have their codes.
        with use_span(root, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            self._tracer.start_span("wait for a claim", start_time=asked).end(claimed)
            try:
                yield span
            finally:
                root.set_attribute("postbro.reply.attempt", claim.attempt)
                root.set_attribute("postbro.reply.outcome", span.outcome)
                if span.outcome not in WELL:
                    root.set_status(StatusCode.ERROR)

    @contextlib.contextmanager
    def call(self, claim: Claim, call: Call) -> Iterator[CallSpan]:
        span = CallSpan()
        with self._tracer.start_as_current_span(
            f"generate_content {call.model_requested}",
            kind=SpanKind.CLIENT,
            attributes={"postbro.reply.attempt": claim.attempt},
            record_exception=False,
            set_status_on_exception=False,
        ) as sent:
            try:
                yield span
            finally:
                sent.set_attributes(_of_call(claim, call, span.outcome))
                if span.outcome not in WELL:
                    sent.set_status(StatusCode.ERROR)

    @contextlib.contextmanager
    def settle(self, function: str) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            function, kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
        ):
            yield

    def close(self) -> None:
        # shutdown() waits for the full timeout of each batch: without a limit, a collector that does not answer would
        # delay the end for minutes.
        closing = threading.Thread(target=self._provider.shutdown, name="last traces", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


def trace_id(claim: Claim) -> int:
    """The same in every worker that claims this reply. A hash, since message ids of clients may not be random."""
    name = f"{claim.message_id}/{claim.reply.version}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big")


def _of_call(claim: Claim, call: Call, outcome: CallEnd) -> dict[str, AttributeValue]:
    thoughts = call.thought_tokens or 0
    known = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.conversation.id": claim.reply.session_id,
        "gen_ai.request.model": call.model_requested,
        "gen_ai.response.model": call.model_version,
        "gen_ai.response.finish_reasons": [outcome]
        if outcome in (FinishReason.STOP, FinishReason.MAX_TOKENS)
        else None,
        "gen_ai.usage.input_tokens": call.prompt_tokens,
        "gen_ai.usage.cache_read.input_tokens": call.cached_tokens,
        "gen_ai.usage.output_tokens": None if call.candidate_tokens is None else call.candidate_tokens + thoughts,
        "gen_ai.usage.reasoning.output_tokens": call.thought_tokens,
        "error.type": None if outcome in WELL else outcome,
        "postbro.first_token_ms": call.first_token_ms,
        "postbro.prompt.version": call.prompt_version,
    }
    return {name: value for name, value in known.items() if value is not None}
