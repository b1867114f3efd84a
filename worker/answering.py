"""The answers under way: begun, given up, drained. Each end is logged and counted."""

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
"""How long a worker that stops waits until the calls that it gave up are in the ledger."""


class Answering:
    """`when_free` is called at each end: a place is free, and the session may have a next question."""

    def __init__(
        self, replies: Replies, answerer: Answerer, lease_seconds: float, when_free: Callable[[], None]
    ) -> None:
        self._replies = replies
        self._answerer = answerer
        self._lease_seconds = lease_seconds
        self._when_free = when_free
        self._held: dict[asyncio.Task[None], Claim] = {}
        self._lost: set[Claim] = set()
        """Given up, and not at its end yet."""
        self._cut_off: list[Claim] = []
        """By the end of the worker."""
        self._closing: set[asyncio.Task[None]] = set()

    def claims(self) -> list[Claim]:
        """What this worker holds."""
        return list(self._held.values())

    def start(self, claim: Claim, lease: Lease) -> None:
        task = asyncio.create_task(self._answer(claim, lease), name=f"answer {claim.message_id}")
        self._held[task] = claim
        metrics.REPLIES_IN_FLIGHT.set(len(self._held))
        task.add_done_callback(self._settled)

    async def _answer(self, claim: Claim, lease: Lease) -> None:
        """An answer that ends by a defect of ours fails its reply, which would be claimed for ever otherwise."""
        try:
            await self._answerer.answer(claim, lease)
        except DatabaseAway as error:
            # The API was away for longer than an answer is offered. The next beat that arrives does not name this
            # claim, so the reply goes back to the queue, where it is claimed again or has become too old.
            reply.given_up(claim, error)
        except Exception as error:
            reply.dropped(claim, error)
            call = claim.call or Call(context.PROMPT_VERSION, claim.model)
            if isinstance(error, DatabaseRefused):
                call = call.bare()  # one of its figures may be what was refused
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
        """A call that was given up has used tokens, too. If it was lost before a beat had named its model, the ledger
        has no row of it. If the claim holds all the same, its question is asked again."""
        with contextlib.suppress(DatabaseError, TimeoutError):
            async with asyncio.timeout(self._lease_seconds):
                await self._replies.fail(claim, ErrorCode.INTERNAL, 0.0, call)

    def give_up(self, lost: list[Claim]) -> None:
        """This worker no longer holds these claims: the work on them ends."""
        for task, claim in self._held.items():
            if any(claim is each for each in lost):
                reply.claim_lost(claim)
                self._lost.add(claim)
                task.cancel()

    async def drain(self, grace_seconds: float) -> None:
        """What is under way may finish within so many seconds; the rest is cut off."""
        log.info("Stopping.", action="drain", under_way=len(self._held))
        if self._held and grace_seconds:
            await asyncio.wait(self._held, timeout=grace_seconds)
        unfinished, self._cut_off = list(self._held), self.claims()
        self._lost.clear()  # these are among them
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    async def close_calls(self) -> None:
        """What the calls that were cut off have spent, for the ledger. To be called when their claims are released:
        of a claim that holds, a call that is closed counts as one that failed."""
        for claim in self._cut_off:
            self._close_call(claim)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_SECONDS)
            for closing in self._closing:
                closing.cancel()
