"""The answers in progress: started, cancelled, drained. Each end is logged and counted."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from worker.answer import Answerer
from worker.claim import Claim
from worker.database.replies import Replies
from worker.errors import DatabaseAway, DatabaseError, DatabaseRefused
from worker.lease import Lease
from worker.prompt import context
from worker.rows import Call, ErrorCode
from worker.telemetry import metrics, reply

log = structlog.get_logger()

CLOSE_SECONDS = 1.0
"""How long a stopping worker waits until its cancelled calls are in the ledger."""


class Answering:
    """`when_free` is called after each answer: there is capacity again, and the session may have another question."""

    def __init__(
        self, replies: Replies, answerer: Answerer, lease_seconds: float, when_free: Callable[[], None]
    ) -> None:
        self._replies = replies
        self._answerer = answerer
        self._lease_seconds = lease_seconds
        self._when_free = when_free
        self._held: dict[asyncio.Task[None], Claim] = {}
        self._lost: set[Claim] = set()
        """Claims that were lost and whose tasks have not ended yet."""
        self._cut_off: list[Claim] = []
        """Claims whose answers were cancelled by the shutdown."""
        self._closing: set[asyncio.Task[None]] = set()

    def claims(self) -> list[Claim]:
        """What this worker holds."""
        return list(self._held.values())

    def start(self, claim: Claim, lease: Lease) -> None:
        """Answer a claim in a task of its own."""
        task = asyncio.create_task(self._answer(claim, lease), name=f"answer {claim.message_id}")
        self._held[task] = claim
        metrics.REPLIES_IN_FLIGHT.set(len(self._held))
        task.add_done_callback(self._settled)

    async def _answer(self, claim: Claim, lease: Lease) -> None:
        """If the answer ends by a defect, the reply fails; otherwise it would be claimed again and again."""
        try:
            await self._answerer.answer(claim, lease)
        except DatabaseAway as error:
            # The API was away for longer than an answer is offered. The next beat does not name this claim, so the
            # reply returns to the queue, where it is claimed again or ends by its age.
            reply.given_up(claim, error)
        except Exception as error:
            reply.dropped(claim, error)
            call = claim.call or Call(context.PROMPT_VERSION, claim.model)
            if isinstance(error, DatabaseRefused):
                call = call.bare()  # one of its figures may be the reason of the refusal
            with contextlib.suppress(DatabaseError, TimeoutError):
                async with asyncio.timeout(self._lease_seconds):
                    await self._replies.fail(claim, ErrorCode.INTERNAL, None, call)

    def _settled(self, task: asyncio.Task[None]) -> None:
        claim = self._held.pop(task)
        metrics.REPLIES_IN_FLIGHT.set(len(self._held))
        self._when_free()
        if claim in self._lost:
            self._lost.discard(claim)
            self._close_call(claim)

    def _close_call(self, claim: Claim) -> None:
        if claim.call is not None and claim.call.model_requested is not None:
            closing = asyncio.create_task(self._tell_spent(claim, claim.call), name=f"close {claim.message_id}")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _tell_spent(self, claim: Claim, call: Call) -> None:
        """Store a cancelled call in the ledger, since it has used tokens: otherwise it would be missing if no beat
        had named its model. If the claim still holds, its question is asked again."""
        with contextlib.suppress(DatabaseError, TimeoutError):
            async with asyncio.timeout(self._lease_seconds):
                await self._replies.fail(claim, ErrorCode.INTERNAL, 0.0, call)

    def give_up(self, lost: list[Claim]) -> None:
        """Cancel the work on claims that this worker no longer holds."""
        for task, claim in self._held.items():
            if any(claim is each for each in lost):
                reply.claim_lost(claim)
                self._lost.add(claim)
                task.cancel()

    async def drain(self, grace_seconds: float) -> None:
        """Let answers in progress finish within so many seconds, then cancel the rest."""
        log.info("Stopping.", action="drain", under_way=len(self._held))
        if self._held and grace_seconds:
            await asyncio.wait(self._held, timeout=grace_seconds)
        unfinished, self._cut_off = list(self._held), self.claims()
        self._lost.clear()  # these are among them
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    async def close_calls(self) -> None:
        """Store the cancelled calls in the ledger. Call it after their claims are released: while a claim holds, this
        would count as a failed call."""
        for claim in self._cut_off:
            self._close_call(claim)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_SECONDS)
            for closing in self._closing:
                closing.cancel()
