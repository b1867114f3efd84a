"""What one open page receives: the private channel's events, and row changes."""

import asyncio
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import supabase
from realtime import RealtimePostgresChangesListenEvent
from realtime.types import BroadcastPayload, PostgresChangesData, PostgresChangesPayload

from tests.support.channel_options import options
from tests.support.waiting import until

Database = psycopg.Connection[dict[str, Any]]


class Listener:
    def __init__(self, client: supabase.AsyncClient, session_id: str) -> None:
        self._client = client
        self._session_id = session_id
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.rows: list[tuple[str, PostgresChangesData]] = []
        self._changes_live = asyncio.Event()

    async def subscribe(self) -> None:
        """Returns when both are live: row changes come only some time after SUBSCRIBED."""
        private = self._client.channel(f"chat:{self._session_id}", options(private=True))
        for event in ("message", "reply", "delta"):
            private.on_broadcast(event, partial(self._hear, event))
        await private.subscribe()

        changes = self._client.channel(f"rows-{self._session_id}")
        for table in ("chat_messages", "chat_replies"):
            changes.on_postgres_changes(
                RealtimePostgresChangesListenEvent.All,
                schema="public",
                table=table,
                filter=f"session_id=eq.{self._session_id}",
                callback=partial(self._see, table),
            )
        changes.on_system(lambda _: self._changes_live.set())
        await changes.subscribe()
        await asyncio.wait_for(self._changes_live.wait(), 10)

    def _hear(self, event: str, got: BroadcastPayload) -> None:
        self.events.append((event, got["payload"]))

    def _see(self, table: str, got: PostgresChangesPayload) -> None:
        self.rows.append((table, got["data"]))

    def answer(self, question: UUID) -> dict[str, Any] | None:
        """The assistant row, as the channel brought it."""
        for event, payload in self.events:
            if event == "message" and payload["record"]["reply_to"] == str(question):
                return payload["record"]
        return None

    async def stored_answer(self, question: UUID, database: Database, seconds: float = 10) -> dict[str, Any]:
        """The same, once the database shows it: Realtime reads the log, and may tell of a commit a moment before."""
        row = await until(lambda: self.answer(question), "the answer", seconds)
        stored = "select from public.chat_messages where id = %s"
        await until(lambda: database.execute(stored, [row["id"]]).rowcount == 1, "the answer in the database")
        return row

    def statuses(self, question: UUID) -> list[str]:
        return [
            payload["record"]["status"]
            for event, payload in self.events
            if event == "reply" and payload["record"]["message_id"] == str(question)
        ]

    def streamed(self, question: UUID) -> str:
        """The newest attempt's deltas put together; each must begin where the one before it ended."""
        deltas = [
            payload for event, payload in self.events if event == "delta" and payload["message_id"] == str(question)
        ]
        newest = max((delta["attempt"] for delta in deltas), default=0)
        text = ""
        for delta in deltas:
            if delta["attempt"] == newest:
                assert delta["offset"] == len(text.encode("utf-16-le")) // 2
                text += delta["text"]
        return text
