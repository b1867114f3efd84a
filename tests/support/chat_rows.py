"""Rows of a chat, as an operator puts them in and reads them."""

from typing import Any
from uuid import UUID

from tests.support.database import Connection
from tests.support.people import Chat


def store_answer(database: Connection, chat: Chat, question: UUID, version: int) -> None:
    database.execute(
        """insert into public.chat_messages (session_id, user_id, role, content, turn, reply_to, version)
        values (%s, %s, 'assistant', 'Because.', 0, %s, %s)""",
        [chat.session, chat.user.id, question, version],
    )


def messages_of(database: Connection, chat: Chat) -> list[dict[str, Any]]:
    return database.execute(
        "select * from public.chat_messages where session_id = %s order by turn", [chat.session]
    ).fetchall()
