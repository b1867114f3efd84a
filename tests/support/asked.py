"""What became of a question: its reply, its answers and its calls."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg

Database = psycopg.Connection[dict[str, Any]]

Calls = Callable[[], list[dict[str, Any]]]


def reply(database: Database, question: UUID) -> dict[str, Any]:
    return database.execute("select * from public.chat_replies where message_id = %s", [question]).fetchone() or {}


def outcomes(database: Database, question: UUID) -> list[str]:
    rows = database.execute(
        "select outcome from public.external_api_call_logs where message_id = %s order by attempt", [question]
    )
    return [row["outcome"] for row in rows]


def calls_with(marker: str, calls: Calls) -> list[dict[str, Any]]:
    return [call for call in calls() if marker in call["body"]["contents"][-1]["parts"][0]["text"]]


def answers(database: Database, question: UUID) -> list[dict[str, Any]]:
    return database.execute(
        "select version, content, finish_reason from public.chat_messages where reply_to = %s order by version",
        [question],
    ).fetchall()


def draft(database: Database, question: UUID) -> str:
    """The text so far, as the database has it: the view shows it to its owner alone."""
    row = database.execute(
        """select private.draft_text(message_id, attempt, version) as content
        from public.chat_replies where message_id = %s""",
        [question],
    ).fetchone()
    return row["content"] if row else ""
