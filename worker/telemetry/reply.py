"""What an operator learns of one reply: whoever answers it says what happened, and the spans, the metrics and the log
lines are written here."""

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
    """One for all replies of a worker. `traces`: where its spans go."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    @contextlib.contextmanager
    def answering(self, claim: Claim) -> Iterator[ReplySpan]:
        """Around all that is done for a claim; its outcome is that of the span. An error that leaves the block is
        counted by whoever handles it: see `dropped` and `given_up`."""
        metrics.REPLY_WAIT.observe(claim.reply.waiting_ms / 1000)
        with self._traces.reply(claim) as span, metrics.REPLY_DURATION.time():
            yield span
        metrics.REPLIES.labels(span.outcome).inc()

    @contextlib.contextmanager
    def calling(self, claim: Claim, call: Call) -> Iterator[CallSpan]:
        """Around a call to a model, within `answering`; what `call` holds at the end is told and counted."""
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
        log.warning("It was not given back.", action="give_back_failed", reason=str(error), **claim.ids)


# What ends an answer from outside.


def given_up(claim: Claim, error: DatabaseAway) -> None:
    """The answer could not be stored for longer than it is offered."""
    metrics.REPLIES.labels(ClaimEnd.DROPPED).inc()
    log.error("An answer was given up: the API is away.", action="answer_given_up", reason=str(error), **claim.ids)


def dropped(claim: Claim, error: Exception) -> None:
    """By a defect of ours."""
    metrics.REPLIES.labels(ClaimEnd.DROPPED).inc()
    log.error(
        "A reply was dropped.",
        action="reply_dropped",
        **claim.ids,
        **logs.describe(error),
        reason=str(error) if isinstance(error, DatabaseError) else None,
    )


def claim_lost(claim: Claim) -> None:
    """While it was being answered."""
    log.warning("A claim was lost.", action="lease_lost", **claim.ids)
    metrics.LEASES_LOST.inc()
