"""Answers one reply, from the claim to its end."""

import asyncio
import contextlib
import time

from worker.claim import Claim
from worker.database.replies import Replies
from worker.errors import DatabaseError, DatabaseRefused, EmptyReply, InternalError, ModelError, NoModel, TimedOut
from worker.lease import Lease
from worker.model import retry, spending
from worker.model.admission import Admission, Watched
from worker.model.choice import ModelChoice
from worker.model.door import ModelStream, Provider
from worker.model.pricing import Prices
from worker.network.jitter import jittered
from worker.prompt import context
from worker.prompt.budget import Budget
from worker.prompt.context import Prompt
from worker.prompt.repetition import Repetition
from worker.realtime.broadcast import Broadcaster
from worker.rows import Call, ClaimEnd, ErrorCode, FinishReason
from worker.telemetry.reply import ReplyTelemetry
from worker.text import Cleaner, is_blank, utf16_length


class Answerer:
    """Answers claims, many at a time. Cancelling an `answer` gives up the claim without settling it.

    `deadline_seconds`: for all calls of one claim together.
    """

    def __init__(
        self,
        replies: Replies,
        provider: Provider,
        broadcaster: Broadcaster,
        admission: Admission,
        budget: Budget,
        telemetry: ReplyTelemetry,
        prices: Prices,
        deadline_seconds: float,
    ) -> None:
        self._replies = replies
        self._provider = provider
        self._broadcaster = broadcaster
        self._admission = admission
        self._budget = budget
        self._telemetry = telemetry
        self._prices = prices
        self._deadline_seconds = deadline_seconds

    async def answer(self, claim: Claim, lease: Lease) -> None:
        """Stream an answer and settle the reply. Raises DatabaseAway if it could not be settled for too long, and
        DatabaseRefused if the database refuses that."""
        with self._telemetry.answering(claim) as span, self._broadcaster.answering(claim.message_id):
            span.outcome = await self._until_settled(claim, lease)

    async def _until_settled(self, claim: Claim, lease: Lease) -> ClaimEnd:
        """Every ClaimEnd but DROPPED, which its caller counts."""
        deadline = time.monotonic() + self._deadline_seconds
        choice = ModelChoice(self._admission, claim.reply.models)
        calls_made = 0
        while True:
            call = claim.call = Call(context.PROMPT_VERSION)
            try:
                finish_reason = await self._attempt(claim, lease, call, choice, deadline)
            except NoModel as none:
                return await self._give_back(claim, none.seconds)
            except ModelError as error:
                calls_made += call.model_requested is not None
                claim.calls_left -= error.is_counted and call.model_requested is not None
                again = choice.after(call.model_requested or "", error)
                pause = retry.decide(error, again, claim.calls_left, calls_made, deadline - time.monotonic())
                outcome = await self._after_failure(claim, call, error, pause)
            else:
                outcome = await self._complete(claim, call, finish_reason)
            if outcome is not None:
                return outcome

    async def _attempt(
        self, claim: Claim, lease: Lease, call: Call, choice: ModelChoice, deadline: float
    ) -> FinishReason:
        """One call to the model. Raises NoModel where none may be asked, and ModelError where it gave no answer."""
        try:
            prompt = context.build_chat_prompt(claim.reply, self._budget)
        except Exception as error:
            raise InternalError(type(error).__name__) from error
        model = await self._choose(claim, lease, choice, deadline)
        if model is None:
            return FinishReason.CANCELLED
        call.model_requested = claim.model = model
        lease.hurry.set()
        with self._telemetry.calling(claim, call) as span:
            finish_reason = span.outcome = await self._call(claim, call, prompt, deadline)
        return finish_reason

    async def _choose(self, claim: Claim, lease: Lease, choice: ModelChoice, deadline: float) -> str | None:
        """The model to ask, after a short wait if needed. None: the user has stopped the reply. Raises NoModel."""
        deadline = min(deadline, time.monotonic() + retry.LONGEST_WAIT_IN_CLAIM_SECONDS)
        while not claim.cancel_requested.is_set():
            if not lease.holds:
                raise NoModel(0.0)  # another worker may have taken over the reply and call a model as well
            try:
                return choice.choose()
            except NoModel as none:
                seconds = jittered(none.seconds)
                if time.monotonic() + seconds >= deadline:
                    raise
                await self._wait(claim, seconds)
        return None

    async def _wait(self, claim: Claim, seconds: float) -> None:
        """Wait for `seconds`, or until the user stops the reply."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await claim.cancel_requested.wait()

    async def _give_back(self, claim: Claim, seconds: float) -> ClaimEnd:
        """No model may be asked: give the claim back to the queue, without counting a call."""
        self._telemetry.given_back(claim, seconds)
        try:
            await self._replies.give_back(claim, jittered(max(seconds, 0.5)))
        except DatabaseError as error:
            # The next beat does not name this claim, so the database gives it back.
            self._telemetry.not_given_back(claim, error)
        return ClaimEnd.GIVEN_BACK

    async def _call(self, claim: Claim, call: Call, prompt: Prompt, deadline: float) -> FinishReason:
        stopped = asyncio.create_task(claim.cancel_requested.wait(), name="cancel requested")
        streaming = asyncio.create_task(self._stream(claim, call, prompt), name="stream")
        try:
            time_left = deadline - time.monotonic()
            await asyncio.wait({stopped, streaming}, timeout=time_left, return_when=asyncio.FIRST_COMPLETED)
            if streaming.done():
                return await streaming
            if stopped.done():
                return FinishReason.CANCELLED
            raise TimedOut("deadline")
        finally:
            stopped.cancel()
            streaming.cancel()
            await asyncio.gather(stopped, streaming, return_exceptions=True)

    async def _stream(self, claim: Claim, call: Call, prompt: Prompt) -> FinishReason:
        model, session_id = str(call.model_requested), claim.reply.session_id
        prompt_tokens, failed = round(prompt.estimated_tokens * self._budget.ratio(session_id)), None
        with self._admission.watch(model, claim.message_id, claim.reply.user_id) as watched:
            async with self._provider.stream(model, prompt) as stream:
                try:
                    return await self._read(stream, claim, watched)
                except ModelError as error:
                    failed = error
                    raise
                finally:
                    watched.sign_of_life = stream.sign_of_life
                    spending.note(call, stream, self._prices, prompt_tokens, claim.text, failed)
                    self._budget.learn(session_id, prompt.estimated_tokens, call.prompt_tokens or 0)

    async def _read(self, stream: ModelStream, claim: Claim, watched: Watched) -> FinishReason:
        """Broadcast the text as it arrives; return the finish reason. Raises ModelError."""
        cleaner, repetition = Cleaner(), Repetition()
        async for piece in stream:
            self._show(claim, watched, cleaner.clean(piece))
            if repetition.is_in(claim.text):
                # Leaving the stream ends the call, so that further repetitions are neither shown nor paid.
                if is_blank(claim.text):
                    raise EmptyReply(FinishReason.REPEATING)
                return FinishReason.REPEATING
        self._show(claim, watched, cleaner.rest())
        return stream.finish_reason or FinishReason.STOP

    def _show(self, claim: Claim, watched: Watched, text: str) -> None:
        if text:
            watched.first_word = True
            offset = claim.length
            claim.text += text
            claim.length += utf16_length(text)
            self._broadcaster.send(claim.reply.session_id, claim.message_id, claim.attempt, offset, text)

    async def _complete(self, claim: Claim, call: Call, finish_reason: FinishReason) -> ClaimEnd:
        await self._broadcaster.flush_last(claim.message_id)
        kept = await self._offer(claim, call, finish_reason)
        if kept is None:
            return ClaimEnd.REFUSED
        self._telemetry.completed(claim, call, finish_reason, kept)
        if not kept:
            return ClaimEnd.CLAIM_LOST
        return ClaimEnd.CANCELLED if finish_reason == FinishReason.CANCELLED else ClaimEnd.COMPLETED

    async def _offer(self, claim: Claim, call: Call, finish_reason: FinishReason) -> bool | None:
        """Whether the answer was stored. None: the database refused it, and the reply has failed.

        If it is refused for its content, it is offered once more without the provider's figures and names.
        """
        for offered in (call, call.bare()):
            try:
                with self._telemetry.settling("complete_reply"):
                    return await self._replies.complete(claim, finish_reason, offered)
            except DatabaseRefused as error:
                self._telemetry.refused(claim, error)
                if not error.is_of_the_content:
                    raise
        await self._fail(claim, ErrorCode.INTERNAL, None, call.bare())
        return None

    async def _after_failure(
        self, claim: Claim, call: Call, error: ModelError, pause: retry.Pause | None
    ) -> ClaimEnd | None:
        """How the claim ended; None: another attempt follows within it."""
        self._telemetry.attempt_failed(claim, call, error, pause.seconds if pause else None)
        if pause is None or pause.in_queue:
            kept = await self._fail(claim, error.error_code, pause.seconds if pause else None, call)
            if not kept:
                return ClaimEnd.CLAIM_LOST
            return ClaimEnd.POSTPONED if pause else ClaimEnd.FAILED
        await self._wait(claim, pause.seconds)
        if claim.cancel_requested.is_set():
            return await self._complete(claim, call, FinishReason.CANCELLED)
        with self._telemetry.settling("next_attempt"):
            begun = await self._replies.next_attempt(claim, error.error_code, call)
        return None if begun else ClaimEnd.CLAIM_LOST

    async def _fail(self, claim: Claim, error_code: ErrorCode, retry_in: float | None, call: Call) -> bool:
        with self._telemetry.settling("fail_reply"):
            return await self._replies.fail(claim, error_code, retry_in, call)
