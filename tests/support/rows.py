"""What the tables say of one question."""

from typing import Any
from uuid import UUID

from tests.support.database import Connection, one_row


class Rows:
    """What the tables say of one question."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def reply(self, message: UUID) -> dict[str, Any]:
        (row,) = self._all("select * from public.chat_replies where message_id = %s", message)
        return row

    def status(self, message: UUID) -> str:
        return self.reply(message)["status"]

    def answers(self, message: UUID) -> list[dict[str, Any]]:
        return self._all("select * from public.chat_messages where reply_to = %s order by version", message)

    def calls(self, message: UUID) -> dict[int, str]:
        """The ledger: attempt → outcome."""
        rows = self._all("select * from public.external_api_call_logs where message_id = %s", message)
        return {row["attempt"]: row["outcome"] for row in rows}

    def seconds_of(self, question: UUID, attempt: int) -> float:
        """From the beginning of a call to its end."""
        row = one_row(
            self._database.execute(
                """select extract(epoch from finished_at - started_at)::float8 as seconds
            from public.external_api_call_logs where message_id = %s and attempt = %s""",
                [question, attempt],
            )
        )
        return row["seconds"]

    def tokens(self, message: UUID) -> dict[int, int | None]:
        rows = self._all("select * from public.external_api_call_logs where message_id = %s", message)
        return {row["attempt"]: row["prompt_tokens"] for row in rows}

    def queued(self, message: UUID) -> dict[str, Any] | None:
        found = self._all("select *, due_at <= now() as due from private.reply_queue where message_id = %s", message)
        return found[0] if found else None

    def drafts(self, message: UUID) -> list[dict[str, Any]]:
        """The text of each attempt: through the view, only its owner would see it."""
        return self._all(
            """select attempt, version, string_agg(content, '' order by starts_at) as content
            from private.draft_pieces where message_id = %s group by attempt, version""",
            message,
        )

    def _all(self, statement: str, message: UUID) -> list[dict[str, Any]]:
        return self._database.execute(statement, [message]).fetchall()
