"""The reply functions of the database, by name, and what this worker holds."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import supabase
from postgrest.exceptions import APIError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from worker.config import WorkerSettings
from worker.errors import DatabaseAway, DatabaseRefused
from worker.models import Call, Reply

CALL_SECONDS = 10.0
# Classes of SQLSTATE in which the call itself is at fault: asking again would be refused again.
_OUR_FAULT = ("22", "23", "42", "P0", "PT", "PGRST")


@dataclass(eq=False)
class Claim:
    """A reply that this worker holds, until `lease_until` by the process's own monotonic clock."""

    reply: Reply
    attempt: int
    tries_left: int
    lease_until: float
    text: str = field(default="", repr=False)
    """What has been streamed in this attempt."""
    model: str | None = None
    """The model that is asked in this attempt: the ledger is told with the next renewal."""
    saved_length: int = 0
    settling: bool = False
    """A call is under way that ends this attempt: the database may know already what we do not yet."""
    cancel_requested: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def message_id(self) -> str:
        return self.reply.message_id

    @property
    def ids(self) -> dict[str, object]:
        """What a log line or a span says of it."""
        return {"message_id": self.message_id, "session_id": self.reply.session_id, "attempt": self.attempt}

    def begin(self, attempt: int) -> None:
        """Another attempt starts afresh: half a text of the last one is never continued."""
        self.attempt = attempt
        self.settling = False
        self.tries_left -= 1
        self.text, self.saved_length, self.model = "", 0, None


class Replies:
    """One worker's door to the database. Its id is fresh for each process, and part of every fence."""

    def __init__(self, client: supabase.AsyncClient, lease_seconds: float) -> None:
        self.worker_id = str(uuid.uuid4())
        self._client = client
        self._lease_seconds = lease_seconds

    @classmethod
    async def connect(cls, settings: WorkerSettings) -> Self:
        client = await supabase.acreate_client(
            settings.supabase_url,
            settings.supabase_secret_key.get_secret_value(),
            # A function may change something before its answer is lost: what is repeated is decided here.
            supabase.AsyncClientOptions(
                postgrest_client_timeout=CALL_SECONDS, postgrest_client_retry=False, auto_refresh_token=False
            ),
        )
        return cls(client, settings.lease_seconds)

    async def close(self) -> None:
        await self._client.postgrest.aclose()

    async def claim(self, max_replies: int) -> tuple[list[Claim], float | None]:
        """Claims, and the seconds until the next reply may be due."""
        asked_at = time.monotonic()
        answer = await self._call("claim_replies", max_replies=max_replies, lease_seconds=self._lease_seconds)
        claims = []
        for row in answer["replies"]:
            reply = Reply.from_row(row)
            claims.append(Claim(reply, reply.attempt, reply.tries_left, asked_at + self._lease_seconds))
        due = answer["next_due_in_ms"]
        return claims, None if due is None else due / 1000

    async def renew(self, claims: list[Claim]) -> list[Claim]:
        """Renew all leases in one call; answers those that are lost. Sets `cancel_requested` where it was."""
        asked_at = time.monotonic()
        asked = {(claim.message_id, claim.attempt): claim for claim in claims}
        answer = await self._call(
            "renew_leases",
            held=[
                {"message_id": message_id, "attempt": attempt, "model": claim.model}
                for (message_id, attempt), claim in asked.items()
            ],
            lease_seconds=self._lease_seconds,
        )
        lost = []
        for row in answer:
            claim = asked[row["message_id"], row["attempt"]]
            if row["held"]:
                claim.lease_until = asked_at + self._lease_seconds
            elif claim.attempt == row["attempt"] and not claim.settling:
                # Else another attempt has begun, or the call that settles this one is about to say how it is.
                lost.append(claim)
            if row["cancel_requested"]:
                claim.cancel_requested.set()
        return lost

    async def save_drafts(self, claims: list[Claim]) -> None:
        """Save the texts that have grown since they were saved last."""
        grown = [(claim, claim.attempt, claim.text) for claim in claims if len(claim.text) > claim.saved_length]
        if not grown:
            return
        await self._call(
            "save_drafts",
            drafts=[
                {"message_id": claim.message_id, "attempt": attempt, "content": text}
                for claim, attempt, text in grown
            ],
        )
        for claim, attempt, text in grown:
            if claim.attempt == attempt:
                claim.saved_length = len(text)

    async def next_attempt(self, claim: Claim, error_code: str, call: Call) -> bool:
        """Close a failed call and begin the next. False: the claim was lost, or no tries are left."""
        attempt = await self._settle("next_attempt", claim, call, error_code=error_code)
        if attempt is not None:
            claim.begin(attempt)
        return attempt is not None

    async def complete(self, claim: Claim, finish_reason: str, call: Call) -> bool:
        """Store the answer. False: the claim was lost, and nothing was stored."""
        return bool(
            await self._settle("complete_reply", claim, call, content=claim.text, finish_reason=finish_reason)
        )

    async def fail(self, claim: Claim, error_code: str, retry_in: float | None, call: Call) -> bool:
        """`retry_in`: seconds, or None for good. False: the claim was lost."""
        return bool(await self._settle("fail_reply", claim, call, error_code=error_code, retry_in=retry_in))

    async def release(self) -> int:
        """Give everything back at once; the tries are not counted."""
        return int(await self._call("release_replies"))

    async def queue(self) -> dict[str, Any]:
        """The queue of all workers, as ops_queue describes it."""
        answer = await self._ask("ops_queue", {})
        if not isinstance(answer, dict) or not {"pending", "oldest_pending_seconds"} <= answer.keys():
            raise DatabaseAway("ops_queue: an answer of another shape")
        return answer

    async def _settle(self, function: str, claim: Claim, call: Call, **words: Any) -> Any:
        """Tried as long as the claim lives (the runner cancels us when it ends): an answer is paid for."""
        attempt = claim.attempt
        claim.settling = True
        async for trial in AsyncRetrying(
            retry=retry_if_exception_type(DatabaseAway),
            wait=wait_exponential_jitter(0.2, max=2),
            reraise=True,
        ):
            with trial:
                return await self._call(
                    function, message_id=claim.message_id, attempt=attempt, call=call.as_row(), **words
                )

    async def _call(self, function: str, **words: Any) -> Any:
        return await self._ask(function, {"worker_id": self.worker_id, **words})

    async def _ask(self, function: str, words: dict[str, Any]) -> Any:
        try:
            response = await self._client.rpc(function, words).execute()
        except APIError as error:
            code = str(error.code or "")
            if code.startswith(_OUR_FAULT):
                raise DatabaseRefused(f"{function}: {code}") from None
            # Without a code it comes from the gateway, which knows nothing but keys.
            raise DatabaseAway(
                f"{function}: {code or 'refused without a code (is the key of this project?)'}"
            ) from None
        except httpx.HTTPError as error:
            raise DatabaseAway(f"{function}: {type(error).__name__}") from None
        except ValueError:
            # What is not JSON came from a gateway, not from the API.
            raise DatabaseAway(f"{function}: an answer that is not JSON") from None
        if isinstance(response.data, str):
            # The client hands on as text what is not JSON; none of these functions answers with a text.
            raise DatabaseAway(f"{function}: an answer that is not JSON")
        return response.data
