"""The story of one reply, from the claim to its end."""

import asyncio
import contextlib

import structlog

from worker import context, pricing, retry
from worker.broadcast import Broadcaster
from worker.context import Prompt
from worker.errors import DatabaseRefused, InternalError, ModelError
from worker.gemini import Gemini, ModelStream
from worker.models import Call
from worker.replies import Claim, Replies
from worker.text import Cleaner, utf16_length

log = structlog.get_logger()

# A longer wait goes back to the queue: the place is free meanwhile, for whoever can be answered now.
LONGEST_WAIT_IN_CLAIM_SECONDS = 5.0


class Answerer:
    """Answers claims, many at a time. Cancelling an `answer` gives up the claim without a word."""

    def __init__(self, replies: Replies, gemini: Gemini, broadcaster: Broadcaster, models: list[str]) -> None:
        self._replies = replies
        self._gemini = gemini
        self._broadcaster = broadcaster
        self._models = models

    async def answer(self, claim: Claim) -> None:
        """Stream an answer and settle the reply, whatever comes."""
        tries_made = 0
        while True:
            tries_made += 1
            call = Call(model_requested=self._models[0], prompt_version=context.PROMPT_VERSION)
            try:
                finish_reason = await self._attempt(claim, call)
            except ModelError as error:
                if not await self._after_failure(claim, call, error, tries_made):
                    return
            else:
                await self._complete(claim, call, finish_reason)
                return

    async def _attempt(self, claim: Claim, call: Call) -> str:
        """One call to the model; answers stop, max_tokens or cancelled."""
        try:
            prompt = context.build_chat_prompt(claim.reply)
        except Exception as error:
            raise InternalError(type(error).__name__) from error
        stopped = asyncio.create_task(claim.cancel_requested.wait(), name="cancel requested")
        streaming = asyncio.create_task(self._stream(claim, call, prompt), name="stream")
        try:
            await asyncio.wait({stopped, streaming}, return_when=asyncio.FIRST_COMPLETED)
            if streaming.done():
                return await streaming
            return "cancelled"
        finally:
            stopped.cancel()
            streaming.cancel()
            await asyncio.gather(stopped, streaming, return_exceptions=True)

    async def _stream(self, claim: Claim, call: Call, prompt: Prompt) -> str:
        cleaner = Cleaner()
        async with self._gemini.stream(call.model_requested, prompt) as stream:
            try:
                async for piece in stream:
                    self._show(claim, cleaner.clean(piece))
                self._show(claim, cleaner.rest())
            finally:
                _note(call, stream)
        return stream.finish_reason or "stop"

    def _show(self, claim: Claim, text: str) -> None:
        if text:
            offset = utf16_length(claim.text)
            claim.text += text
            self._broadcaster.send(claim.reply.session_id, claim.message_id, claim.attempt, offset, text)

    async def _complete(self, claim: Claim, call: Call, finish_reason: str) -> None:
        await self._broadcaster.flush_last(claim.message_id, claim.attempt)
        try:
            kept = await self._replies.complete(claim, finish_reason, call)
        except DatabaseRefused as error:
            log.error("The database refused an answer.", action="answer_refused", reason=str(error), **_ids(claim))
            await self._replies.fail(claim, "internal", None, call)
            return
        log.info(
            "Answered." if kept else "The claim was lost: the answer was not used.",
            action="reply_completed" if kept else "claim_lost",
            finish_reason=finish_reason,
            latency_ms=call.latency_ms,
            **_ids(claim),
        )

    async def _after_failure(self, claim: Claim, call: Call, error: ModelError, tries_made: int) -> bool:
        """Whether there is another attempt to make within this claim."""
        wait = retry.decide(error, claim.tries_left, tries_made)
        log.warning(
            "A call to the model failed.",
            action="attempt_failed",
            error_code=error.error_code,
            reason=str(error),
            retry_in=wait,
            **_ids(claim),
        )
        if wait is None or wait > LONGEST_WAIT_IN_CLAIM_SECONDS:
            await self._replies.fail(claim, error.error_code, wait, call)
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await claim.cancel_requested.wait()
        if claim.cancel_requested.is_set():
            await self._complete(claim, call, "cancelled")
            return False
        return await self._replies.next_attempt(claim, error.error_code, call)


def _note(call: Call, stream: ModelStream) -> None:
    """What the call used so far, for the ledger."""
    call.model_version = stream.model_version
    call.first_token_ms = stream.first_token_ms
    call.latency_ms = stream.latency_ms
    if (usage := stream.usage) is not None:
        call.prompt_tokens, call.cached_tokens = usage.prompt, usage.cached
        call.candidate_tokens, call.thought_tokens = usage.candidates, usage.thoughts
        call.cost_usd = pricing.cost(stream.model_version, usage)


def _ids(claim: Claim) -> dict[str, object]:
    return {
        "message_id": claim.message_id,
        "session_id": claim.reply.session_id,
        "attempt": claim.attempt,
    }
