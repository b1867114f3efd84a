"""Pieces of text to the sessions' channels: coalesced, sent together, in budget. Never worth a reply."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from worker import api_http, metrics
from worker.config import WorkerSettings

log = structlog.get_logger()

COALESCE_SECONDS = 0.1
SEND_SECONDS = 2.0
LAST_FLUSH_SECONDS = 1.0
# Realtime refuses a request with more messages than its average of the last minute leaves of the limit.
MOST_MESSAGES = 10
COST = 2  # messages that a delta counts as: one sent, and one received by the tab that shows it
REFUSED_SECONDS = 1.0  # pause after such a refusal
LATELY_SECONDS = 5.0  # what failed longer ago tells nothing of now: a stream sends all the time


@dataclass
class _Delta:
    """`offset` is where the text belongs, in UTF-16 code units."""

    session_id: str
    offset: int
    text: str


class Broadcaster:
    """One request carries what several sessions have to say since their last one."""

    def __init__(self, settings: WorkerSettings) -> None:
        key = settings.supabase_secret_key.get_secret_value()
        self._client = httpx.AsyncClient(
            headers={"apikey": key, "Authorization": f"Bearer {key}"}, timeout=SEND_SECONDS
        )
        self._url = f"{settings.supabase_url.rstrip('/')}/realtime/v1/api/broadcast"
        self._per_second = settings.realtime_messages_per_second
        self._pending: dict[tuple[str, int], _Delta] = {}
        self._something = asyncio.Event()
        self._sending = asyncio.Lock()
        self._refused = False
        self._failing_since: float | None = None
        self._failed_at = 0.0

    @property
    def failing_since(self) -> float | None:
        """Since when, by the monotonic clock, Realtime takes no delta; None: it does, or none was sent of late."""
        return self._failing_since if time.monotonic() - self._failed_at < LATELY_SECONDS else None

    def send(self, session_id: str, message_id: str, attempt: int, offset: int, text: str) -> None:
        """Goes out with the next flush, joined to what of this attempt still waits."""
        if waiting := self._pending.get((message_id, attempt)):
            waiting.text += text
        else:
            self._pending[message_id, attempt] = _Delta(session_id, offset, text)
        self._something.set()

    async def run(self) -> None:
        while True:
            await self._something.wait()
            sent = await self.flush()
            # With many streams, each waits longer for its turn: all of them get coarser.
            pause = max(COALESCE_SECONDS, sent * COST / self._per_second)
            await asyncio.sleep(REFUSED_SECONDS * random.uniform(0.7, 1.3) if self._refused else pause)  # noqa: S311

    async def flush_last(self, message_id: str, attempt: int) -> None:
        """What is left of an answer goes out before its row, but the row does not wait long for it."""
        try:
            async with asyncio.timeout(LAST_FLUSH_SECONDS), self._sending:
                key = message_id, attempt
                if key in self._pending:  # or another answer that ended has taken it along
                    await self._send([key, *(other for other in self._pending if other != key)])
        except TimeoutError:
            log.warning("The last piece of an answer was not sent in time.", action="deltas_dropped", count=1)
            metrics.DELTAS_DROPPED.inc()

    async def flush(self) -> int:
        """Send what has waited longest, as much as one request may hold; answers how many messages that was."""
        async with self._sending:
            return await self._send(list(self._pending))

    async def close(self) -> None:
        await self._client.aclose()

    async def _send(self, keys: list[tuple[str, int]]) -> int:
        deltas = {key: self._pending.pop(key) for key in keys[:MOST_MESSAGES]}
        if not self._pending:
            self._something.clear()
        if deltas:
            self._refused = not await self._post([_message(key, delta) for key, delta in deltas.items()])
            if self._refused:
                self._put_back(deltas)
        return len(deltas)

    def _put_back(self, deltas: dict[tuple[str, int], _Delta]) -> None:
        """They go out with what has come since, before everything else."""
        for key, delta in deltas.items():
            if later := self._pending.pop(key, None):
                delta.text += later.text
        self._pending = deltas | self._pending
        self._something.set()

    async def _post(self, messages: list[dict[str, Any]]) -> bool:
        """False if Realtime has heard too much of late, and would take them later."""
        try:
            request = api_http.apart(self._client.post(self._url, json={"messages": messages}))
            await asyncio.wait({request})
            response = request.result()
            if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                log.info("Deltas are held back: too many messages.", action="deltas_held_back", count=len(messages))
                metrics.DELTAS_HELD_BACK.inc(len(messages))
                return False
            response.raise_for_status()
            metrics.DELTAS_SENT.inc(len(messages))
            self._failing_since = None
        except Exception as error:  # also what httpx should have kept to itself
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


def _message(key: tuple[str, int], delta: _Delta) -> dict[str, Any]:
    message_id, attempt = key
    return {
        "topic": f"chat:{delta.session_id}",
        "event": "delta",
        "private": True,
        "payload": {
            "message_id": message_id,
            "attempt": attempt,
            "offset": delta.offset,
            "text": delta.text,
        },
    }
