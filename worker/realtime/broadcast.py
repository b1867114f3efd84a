"""Sends pieces of text to the channels of sessions: coalesced, batched, and within a budget. It never raises.

Deltas are also sent for chats that no page shows at present: only presence would tell, and it would cost more
messages than it saves.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

import httpx
import structlog

from worker.config import WorkerSettings
from worker.network import api_http
from worker.realtime.allowance import Allowance
from worker.telemetry import metrics

log = structlog.get_logger()

COALESCE_SECONDS = 0.1
SEND_SECONDS = 2.0
LAST_FLUSH_SECONDS = 1.0
REQUESTS_AT_ONCE = 2
# Realtime refuses a request if its messages and the average of the last minute exceed the limit together.
MOST_MESSAGES = 10
COST = 2  # messages that Realtime counts for an event: one sent, and one received by the page that shows it
EVENTS_OF_A_REPLY = 6
"""Events that the database sends for each question: two messages, three states of the reply, and a wake-up."""
REFUSED_SECONDS = 1.0  # pause after such a refusal
LATELY_SECONDS = 5.0  # an older failure is not reported, since a stream sends all the time
MOST_WAITING = 64 * 1024  # characters of one answer; pages read the rest from the draft


@dataclass
class _Delta:
    """`offset` is where the text belongs, in UTF-16 code units."""

    session_id: str
    attempt: int
    offset: int
    text: str
    due_at: float


class _Payload(TypedDict):
    """What a page reads: the event `delta` of the channel's protocol."""

    message_id: str
    attempt: int
    offset: int
    text: str


class _Broadcast(TypedDict):
    """One message of Realtime's endpoint `/api/broadcast`."""

    topic: str
    event: str
    private: bool
    payload: _Payload


class Broadcaster:
    """One request contains the new pieces of text of several sessions.

    At most two requests are in progress, and never two with pieces of the same answer, which could arrive in the
    wrong order. No method raises for a failure of Realtime: a delta that cannot be sent is counted and dropped.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        key = settings.supabase_secret_key.get_secret_value()
        self._client = httpx.AsyncClient(
            headers={"apikey": key, "Authorization": f"Bearer {key}"}, **api_http.options(SEND_SECONDS)
        )
        self._url = f"{settings.supabase_url.rstrip('/')}/realtime/v1/api/broadcast"
        self._allowance = Allowance(settings.realtime_messages_per_second)
        # By message_id, in the order in which they are sent.
        self._waiting: dict[str, _Delta] = {}
        self._under_way: set[str] = set()
        self._sent_at: dict[str, float] = {}
        self._refused_until = 0.0
        self._changed = asyncio.Event()
        self._failing_since: float | None = None
        self._failed_at = 0.0

    @property
    def failing_since(self) -> float | None:
        """Since when, by the monotonic clock, Realtime accepts no delta. None: it does, or none was sent lately."""
        return self._failing_since if time.monotonic() - self._failed_at < LATELY_SECONDS else None

    @contextlib.contextmanager
    def answering(self, message_id: str) -> Iterator[None]:
        """Around an answer. Counts the database's events for it in the budget; unsent text is dropped at the end."""
        self._allowance.spend(EVENTS_OF_A_REPLY * COST)
        try:
            yield
        finally:
            self._forget(message_id)

    def send(self, session_id: str, message_id: str, attempt: int, offset: int, text: str) -> None:
        """Queue text for the next request. `offset`: its place in the answer, in UTF-16 code units."""
        waiting = self._waiting.get(message_id)
        if waiting is None or waiting.attempt != attempt or len(waiting.text) > MOST_WAITING:
            if waiting is not None and waiting.attempt == attempt:
                metrics.DELTAS_DROPPED.inc()
            due_at = self._sent_at.get(message_id, 0.0) + COALESCE_SECONDS
            self._waiting[message_id] = _Delta(session_id, attempt, offset, text, due_at)
            self._tell()
        else:
            waiting.text += text

    async def flush_last(self, message_id: str) -> None:
        """Send the queued text of an answer before its row is stored. Waits for LAST_FLUSH_SECONDS at most."""
        last = self._waiting.get(message_id)
        if last is not None:
            last.due_at = 0.0
            self._waiting = {message_id: last, **self._waiting}
            self._tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_FLUSH_SECONDS):
                while message_id in self._under_way or (message_id in self._waiting and self._may_be_sent_soon()):
                    await self._change()
        if self._waiting.pop(message_id, None) is not None:
            metrics.DELTAS_DROPPED.inc()
            log.info("The last piece of an answer was not sent in time.", action="deltas_dropped", count=1)

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as senders:
            for number in range(REQUESTS_AT_ONCE):
                senders.create_task(self._send_for_ever(), name=f"broadcasts {number}")

    async def close(self) -> None:
        """Close the connections; call it after `run` has ended."""
        await self._client.aclose()

    async def _send_for_ever(self) -> None:
        while True:
            if batch := self._take():
                await self._request(batch)
            else:
                await self._change(self._seconds_until_next())

    def _take(self) -> dict[str, _Delta]:
        """Take the due deltas, up to the limits of a request and of the budget."""
        now = time.monotonic()
        if now < self._refused_until:
            return {}
        due = [key for key, delta in self._waiting.items() if delta.due_at <= now and key not in self._under_way]
        batch = due[: max(0, min(MOST_MESSAGES, int(self._allowance.affords() // COST)))]
        return {key: self._waiting.pop(key) for key in batch}

    def _seconds_until_next(self) -> float | None:
        """None: until something changes."""
        waiting = [delta.due_at for key, delta in self._waiting.items() if key not in self._under_way]
        if not waiting:
            return None
        return max(min(waiting) - time.monotonic(), self._seconds_held_back())

    def _seconds_held_back(self) -> float:
        return max(self._refused_until - time.monotonic(), self._allowance.seconds_until(COST))

    def _may_be_sent_soon(self) -> bool:
        return self._seconds_held_back() < LAST_FLUSH_SECONDS

    async def _request(self, batch: dict[str, _Delta]) -> None:
        self._under_way |= batch.keys()
        self._allowance.spend(len(batch) * COST)
        is_taken = True
        try:
            is_taken = await self._post([_message(key, delta) for key, delta in batch.items()])
        finally:
            now = time.monotonic()
            # Answers that have ended meanwhile were removed from _under_way.
            still = {key: delta for key, delta in batch.items() if key in self._under_way}
            self._under_way -= still.keys()
            self._sent_at |= dict.fromkeys(still, now)
            if not is_taken:
                self._refused_until = now + REFUSED_SECONDS * random.uniform(0.7, 1.3)  # noqa: S311
                self._put_back(still)
            self._tell()

    def _put_back(self, refused: dict[str, _Delta]) -> None:
        """Queue refused deltas again, joined with later text, behind the others."""
        for key, delta in refused.items():
            later = self._waiting.pop(key, None)
            if later is not None and later.attempt != delta.attempt:
                self._waiting[key] = later
                continue
            if later is not None:
                delta.text += later.text
            self._waiting[key] = delta

    def _forget(self, message_id: str) -> None:
        self._waiting.pop(message_id, None)
        self._sent_at.pop(message_id, None)
        self._under_way.discard(message_id)
        self._tell()

    async def _change(self, seconds: float | None = None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _post(self, messages: list[_Broadcast]) -> bool:
        """False if Realtime refused them for too many messages, and may accept them later."""
        try:
            request = api_http.apart(self._ask(messages))
            await asyncio.wait({request})
            response = request.result()
            if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                log.info("Deltas are held back: too many messages.", action="deltas_held_back", count=len(messages))
                metrics.DELTAS_HELD_BACK.inc(len(messages))
                return False
            response.raise_for_status()
            metrics.DELTAS_SENT.inc(len(messages))
            self._failing_since = None
        except Exception as error:  # also unexpected exceptions of httpx
            # A client that misses a piece reads the draft.
            metrics.DELTAS_DROPPED.inc(len(messages))
            self._failed_at = time.monotonic()
            self._failing_since = self._failing_since or self._failed_at
            log.warning(
                "Deltas were not sent.",
                action="deltas_dropped",
                count=len(messages),
                error=type(error).__name__,
            )
        return True

    async def _ask(self, messages: list[_Broadcast]) -> httpx.Response:
        async with api_http.whole(SEND_SECONDS):
            return await self._client.post(self._url, json={"messages": messages})


def _message(key: str, delta: _Delta) -> _Broadcast:
    return {
        "topic": f"chat:{delta.session_id}",
        "event": "delta",
        "private": True,
        "payload": {
            "message_id": key,
            "attempt": delta.attempt,
            "offset": delta.offset,
            "text": delta.text,
        },
    }
