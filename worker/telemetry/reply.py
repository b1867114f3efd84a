"""Telemetry of one reply: the code that answers it reports events here, and this module writes the spans, metrics and
log lines."""

import contextlib
from collections.abc import Iterator

import structlog

from worker.claim import Claim
from worker.errors import DatabaseAway, DatabaseError, DatabaseRefused, ModelError
from worker.rows import Call, ClaimEnd, FinishReason
from worker.telemetry import logs, metrics
from worker.telemetry.traces import CallSpan, ReplySpan, Traces

log = structlog.get_logger()


class ReplyTelemetry:
    """One object for all replies of a worker. `traces`: where spans are sent."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    @contextlib.contextmanager
    def answering(self, claim: Claim) -> Iterator[ReplySpan]:
        """Around the work on a claim; the block sets the span's outcome. If an exception leaves the block, the caller
        counts it, with `dropped` or `given_up`."""
        metrics.REPLY_WAIT.observe(claim.reply.waiting_ms / 1000)
        with self._traces.reply(claim) as span, metrics.REPLY_DURATION.time():
            yield span
        metrics.REPLIES.labels(span.outcome).inc()

    @contextlib.contextmanager
    def calling(self, claim: Claim, call: Call) -> Iterator[CallSpan]:
        """Around a call to a model, within `answering`; the figures of `call` at the end are sent and counted."""
        with self._traces.call(claim, call) as span:
            try:
                yield span
            except ModelError as error:
                span.outcome = error.error_code
                raise
            finally:
                metrics.call_ended(call, span.outcome)

    def settling(self, function: str) -> contextlib.AbstractContextManager[None]:
        """Around a function of the database that ends an attempt, within `answering`."""
        return self._traces.settle(function)

    def attempt_failed(self, claim: Claim, call: Call, error: ModelError, retry_in: float | None) -> None:
        """`retry_in`: seconds until the next attempt, here or in the queue; None: there is none."""
        log.warning(
            "A call to the model failed." if call.model_requested else "No call could be made.",
            action="attempt_failed",
            error_code=error.error_code,
            reason=str(error),
            model=call.model_requested,
            retry_in_ms=None if retry_in is None else round(retry_in * 1000),
            **claim.ids,
        )

    def completed(self, claim: Claim, call: Call, finish_reason: FinishReason, kept: bool) -> None:
        """`kept`: the answer was stored; else the claim had been lost."""
        log.info(
            "Answered." if kept else "The claim was lost: the answer was not used.",
            action="reply_completed" if kept else "claim_lost",
            finish_reason=finish_reason,
            model=call.model_requested,
            waiting_ms=claim.reply.waiting_ms,
            first_token_ms=call.first_token_ms,
            latency_ms=call.latency_ms,
            **claim.ids,
        )

    def refused(self, claim: Claim, error: DatabaseRefused) -> None:
        log.error("The database refused an answer.", action="answer_refused", reason=str(error), **claim.ids)

    def given_back(self, claim: Claim, seconds: float) -> None:
        """`seconds`: until a model may be asked."""
        log.info("Given back: no model may be asked.", action="given_back", seconds=round(seconds, 1), **claim.ids)

    def not_given_back(self, claim: Claim, error: DatabaseError) -> None:
        log.warning("A claim was not given back.", action="give_back_failed", reason=str(error), **claim.ids)


# Ends of an answer outside of `answering`.


def given_up(claim: Claim, error: DatabaseAway) -> None:
    """The API was away for longer than an answer is offered."""
    metrics.REPLIES.labels(ClaimEnd.DROPPED).inc()
    log.error("An answer was given up: the API is away.", action="answer_given_up", reason=str(error), **claim.ids)


def dropped(claim: Claim, error: Exception) -> None:
    """The answer ended by a defect of ours."""
    metrics.REPLIES.labels(ClaimEnd.DROPPED).inc()
    log.error(
        "A reply was dropped.",
        action="reply_dropped",
        **claim.ids,
        **logs.describe(error),
        reason=str(error) if isinstance(error, DatabaseError) else None,
    )


def claim_lost(claim: Claim) -> None:
    """The claim was lost while it was being answered."""
    log.warning("A claim was lost.", action="lease_lost", **claim.ids)
    metrics.LEASES_LOST.inc()
