"""The reply functions of the database, by name."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Self, TypedDict, cast

import structlog

from worker.claim import Claim
from worker.config import WorkerSettings
from worker.database import offers
from worker.database.rpc import Database, reading
from worker.errors import DatabaseAway, DatabaseRefused
from worker.rows import Call, ErrorCode, FinishReason, Reply

log = structlog.get_logger()

CALL_SECONDS = 10.0
BEAT_SECONDS = 5.0
"""Timeout of a beat; the next one sends the same."""


@dataclass(frozen=True)
class Claimed:
    """The result of a claim. `alive`: False if the database does not know this worker or took it for dead.
    `next_due_seconds`: until the next reply in the queue is due; None: there is none."""

    claims: list[Claim]
    next_due_seconds: float | None = None
    alive: bool = True
    refused: dict[str, int] = field(default_factory=dict)
    """settled, set_aside or left → number of rows for which the database raised an error."""
    unreadable: int = 0
    """Number of further rows that could not be read; their replies have failed."""


@dataclass(frozen=True)
class Beaten:
    """The result of a beat. `alive`: False if this worker was buried; `workers`: live workers; `lost`: claims that
    it no longer holds."""

    alive: bool
    workers: int = 1
    lost: list[Claim] = field(default_factory=list)


class Reconciled(TypedDict, total=False):
    """What the reconciler has changed."""

    mended: int
    """Number of contradictions between replies and the queue."""
    ended: int
    """Number of replies that failed since they had waited too long."""
    more: bool
    """There is more to do than one call does."""


class QueueLength(TypedDict):
    """For all workers together."""

    pending: float
    """Number of waiting replies."""
    oldest_pending_seconds: float
    """Age of the oldest of them; 0 if there is none."""


class Replies:
    """The functions for one worker. `worker_id` is new for each registration, and part of every fence.

    Every method but `close` raises DatabaseAway or DatabaseRefused, and nothing else. Those that settle a claim
    (`next_attempt`, `complete`, `fail`) repeat the call for `offer_seconds` before they raise.
    """

    def __init__(self, database: Database, beating: Database, alive_seconds: float, offer_seconds: float) -> None:
        """`beating`: the connection for beats. `alive_seconds`: the lease; after so long without a beat, the database
        takes this worker for dead. `offer_seconds`: for how long an answer is offered again.
        """
        self.worker_id = str(uuid.uuid4())
        self._database = database
        self._beating = beating
        self._alive_seconds = alive_seconds
        self._offer_seconds = offer_seconds

    @classmethod
    async def connect(cls, settings: WorkerSettings) -> Self:
        """Beats have their own connection, so that they never wait behind answers that are being stored."""
        database = await Database.connect(settings, CALL_SECONDS, settings.worker_concurrency + 10)
        beating = await Database.connect(settings, BEAT_SECONDS, 2)
        return cls(database, beating, settings.lease_seconds, settings.reply_max_wait_seconds)

    async def close(self) -> None:
        """Cancel calls in progress and close the connections."""
        await self._database.close()
        await self._beating.close()

    async def register(self, version: str, concurrency: int) -> int:
        """Returns the number of live workers."""
        answer = await self._call(
            "register_worker", alive_seconds=self._alive_seconds, version=version, concurrency=concurrency
        )
        with reading("register_worker"):
            return int(answer["workers"])

    def begin_anew(self) -> None:
        """Use a new id, after the database took this worker for dead. Register it before anything else."""
        self.worker_id = str(uuid.uuid4())

    async def claim(self, number: int, max_replies: int) -> Claimed:
        """Claim up to `max_replies`. `number`: of this claim, 1, 2, 3 … for each registration."""
        worker_id = self.worker_id
        answer = await self._call("claim_replies", claim=number, max_replies=max_replies)
        with reading("claim_replies"):
            rows, due = list(answer["replies"]), answer["next_due_in_ms"]
            due_seconds = None if due is None else due / 1000
            is_alive = bool(answer.get("alive", True))
            refused = {str(fate): int(count) for fate, count in answer.get("refused", {}).items()}
        claims = []
        for row in rows:
            try:
                reply = Reply.from_row(row)
            except Exception as error:  # of any kind, so that it does not affect the other replies of this claim
                await self._refuse_unreadable(row, worker_id, error)
                continue
            claims.append(Claim(reply, worker_id, reply.attempt, reply.calls_left))
        return Claimed(claims, due_seconds, is_alive, refused, len(rows) - len(claims))

    async def beat(self, claims: list[Claim], claims_known: int, models_closed_seconds: float) -> Beaten:
        """Report that this worker is alive and holds these claims. Sets `cancel_requested` of claims that their users
        have stopped.

        `claims_known`: the number of the last claim whose result has arrived. `models_closed_seconds`: until a model
        may be asked; 0: now.
        """
        asked = {(claim.message_id, claim.attempt): claim for claim in claims}
        asking = {key: claim.model for key, claim in asked.items() if claim.model and not claim.is_in_ledger}
        answer = await self._beating.ask(
            "beat",
            {
                "worker_id": self.worker_id,
                "alive_seconds": self._alive_seconds,
                "claims_known": claims_known,
                "models_closed_seconds": models_closed_seconds or None,
                "held": [message_id for message_id, _ in asked],
                "attempts": [attempt for _, attempt in asked],
                "asking": [
                    {"message_id": message_id, "attempt": attempt, "model": model}
                    for (message_id, attempt), model in asking.items()
                ],
            },
        )
        with reading("beat"):
            is_alive, workers = bool(answer["alive"]), int(answer["workers"])
            lost = {(row["message_id"], row["attempt"]) for row in answer["lost"]}
            cancelled = set(answer["cancel_requested"])
        for (message_id, attempt), claim in asked.items():
            if message_id in cancelled:
                claim.cancel_requested.set()
            if (message_id, attempt) in asking and claim.attempt == attempt:
                claim.is_in_ledger = True
        # If another attempt has begun, or this one is being settled, the result of that call decides.
        gone = [
            claim
            for (message_id, attempt), claim in asked.items()
            if (message_id, attempt) in lost and claim.attempt == attempt and not claim.settling
        ]
        return Beaten(is_alive, workers, gone)

    async def save_drafts(self, claims: list[Claim]) -> None:
        """Append new text to the drafts; updates `saved` of the claims."""
        grown = [(claim, claim.attempt, claim.saved, claim.text[claim.saved :]) for claim in claims]
        answer = await self._call(
            "save_drafts",
            pieces=[
                {
                    "message_id": claim.message_id,
                    "attempt": attempt,
                    "version": claim.reply.version,
                    "starts_at": starts_at,
                    "content": text,
                }
                for claim, attempt, starts_at, text in grown
            ],
        )
        with reading("save_drafts"):
            # Drafts that are missing in the result were locked, and are sent again.
            stored = {(row["message_id"], row["attempt"]): row["stored"] for row in answer}
        for claim, attempt, _, _ in grown:
            end = stored.get((claim.message_id, attempt))
            if claim.attempt == attempt and end is not None:
                claim.saved, claim.saved_at = end, time.monotonic()

    async def give_back(self, claim: Claim, due_in: float) -> None:
        """Return a claim without a call to the queue, where it is due again in `due_in` seconds."""
        claim.settling = True
        await self._database.ask(
            "give_back",
            {
                "worker_id": claim.worker_id,
                "replies": [{"message_id": claim.message_id, "attempt": claim.attempt}],
                "due_in": due_in,
            },
        )

    async def next_attempt(self, claim: Claim, error_code: ErrorCode, call: Call) -> bool:
        """Close a failed call and begin the next. False: the claim was lost."""
        attempt = await self._settle("next_attempt", (int, type(None)), claim, call, error_code=error_code)
        if attempt is not None:
            claim.begin(attempt)
        return attempt is not None

    async def complete(self, claim: Claim, finish_reason: FinishReason, call: Call) -> bool:
        """Store the answer, `claim.text`. False: the claim was lost, and nothing was stored."""
        words = {"content": claim.text, "finish_reason": finish_reason}
        return bool(await self._settle("complete_reply", (bool,), claim, call, **words))

    async def fail(self, claim: Claim, error_code: ErrorCode, retry_in: float | None, call: Call) -> bool:
        """`retry_in`: seconds until the next attempt; None: the reply has failed. False: the claim was lost."""
        words = {"error_code": error_code, "retry_in": retry_in}
        return bool(await self._settle("fail_reply", (bool,), claim, call, **words))

    async def release(self) -> tuple[int, int]:
        """Give back all claims of this worker. Returns the number of released ones, and of those that are locked."""
        answer = await self._call("release_replies")
        with reading("release_replies"):
            return int(answer["released"]), int(answer.get("left", 0))

    async def reconcile(self, max_wait_seconds: float, every_seconds: float) -> Reconciled | None:
        """Run the reconciler. None: another worker has done so within `every_seconds`."""
        words = {"max_wait_seconds": max_wait_seconds, "every_seconds": every_seconds}
        answer = await self._database.ask("reconcile_replies", words)
        return cast(Reconciled, answer) if isinstance(answer, dict) else None

    async def erase_broadcasts(self) -> tuple[int, int]:
        """Erase stored broadcasts of deleted chats and messages. Returns how many are done, and how many remain."""
        answer = await self._database.ask("erase_broadcasts", {})
        with reading("erase_broadcasts"):
            return int(answer["erased"]), int(answer["left"])

    async def measure_spend(self) -> Any:
        """What the project has spent, in US dollars: a row for `Spend.from_row`, unchecked. It is at most a few
        seconds old.
        """
        return await self._database.ask("measure_spend", {})

    async def queue(self) -> QueueLength:
        """The length of the queue, for all workers together."""
        answer = await self._database.ask("ops_queue", {})
        with reading("ops_queue"):
            oldest = float(answer["oldest_pending_seconds"] or 0)
            return {"pending": float(answer["pending"]), "oldest_pending_seconds": oldest}

    async def _refuse_unreadable(self, row: Any, worker_id: str, error: Exception) -> None:
        """Fail a reply whose row cannot be read. Without a message id, the next beat gives it back."""
        log.error("A claimed reply cannot be read.", action="reply_unreadable", error=type(error).__name__)
        try:
            await self._database.ask(
                "fail_reply",
                {
                    "message_id": row["message_id"],
                    "worker_id": worker_id,
                    "attempt": row["attempt"],
                    "error_code": ErrorCode.INTERNAL,
                    "retry_in": None,
                    "call": {},
                },
            )
        except (KeyError, TypeError, DatabaseAway, DatabaseRefused) as failed:
            log.warning(
                "A reply that cannot be read could not be settled.",
                action="reply_unreadable",
                error=type(failed).__name__,
            )

    async def _settle(self, function: str, kinds: tuple[type, ...], claim: Claim, call: Call, **words: Any) -> Any:
        """Call a function that ends an attempt, repeatedly if needed. `kinds`: allowed types of its result."""
        claim.settling = True
        row = {
            **call.as_row(),
            # For the ledger, in case its row was deleted with the chat.
            "session_id": claim.reply.session_id,
            "user_id": claim.reply.user_id,
        }
        words |= {"message_id": claim.message_id, "worker_id": claim.worker_id, "attempt": claim.attempt, "call": row}

        async def ask() -> Any:
            answer = await self._database.ask(function, words)
            if type(answer) not in kinds:
                raise DatabaseAway(f"{function}: an answer of another shape")
            return answer

        return await offers.repeat(function, claim, self._offer_seconds, ask)

    async def _call(self, function: str, **words: Any) -> Any:
        return await self._database.ask(function, {"worker_id": self.worker_id, **words})
