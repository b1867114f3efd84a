"""Pieces of text to the sessions' channels: coalesced, sent together, in budget. Never worth a reply."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from worker.config import WorkerSettings

log = structlog.get_logger()

COALESCE_SECONDS = 0.1
SEND_SECONDS = 2.0
LAST_FLUSH_SECONDS = 1.0


@dataclass
class _Delta:
    """`offset` is where the text belongs, in UTF-16 code units."""

    session_id: str
    offset: int
    text: str


class Broadcaster:
    """One request carries what all sessions have to say since the last one."""

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
            self._something.clear()
            sent = await self.flush()
            # Every delta of a request counts as a message: with many streams, all of them get coarser.
            await asyncio.sleep(max(COALESCE_SECONDS, sent / self._per_second))

    async def flush_last(self) -> None:
        """What is left of an answer goes out before its row, but the row does not wait long for it."""
        try:
            async with asyncio.timeout(LAST_FLUSH_SECONDS):
                await self.flush()
        except TimeoutError:
            log.warning("The last piece of an answer was not sent in time.", action="deltas_dropped", count=1)

    async def flush(self) -> int:
        """Send all that waits, in order; answers how many messages that was."""
        async with self._sending:
            deltas, self._pending = self._pending, {}
            if deltas:
                await self._post([_message(key, delta) for key, delta in deltas.items()])
            return len(deltas)

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, messages: list[dict[str, Any]]) -> None:
        try:
            response = await self._client.post(self._url, json={"messages": messages})
            response.raise_for_status()
        except httpx.HTTPError as error:
            # A client that misses a piece reads the draft.
            log.warning(
                "Deltas were not sent.",
                action="deltas_dropped",
                count=len(messages),
                error=type(error).__name__,
            )


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
