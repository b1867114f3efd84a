"""Questions with an id of the client's choice: how they are asked, refused and stored."""

from typing import Any
from uuid import UUID

import psycopg

from tests.support.database import Connection
from tests.support.people import People, User

ASK = "insert into public.chat_messages (id, session_id, content, replaces) values (%s, %s, %s, %s)"


def ask_rest(people: People, user: User, session: UUID, **row: object) -> tuple[int, str]:
    sent = people.signed_in(user).post(
        "/chat_messages", json={"session_id": str(session), "content": "Why?"} | {k: str(v) for k, v in row.items()}
    )
    return sent.status_code, "" if sent.status_code < 400 else str(sent.json()["code"])


def outcome(connection: psycopg.Connection[Any], *row: object) -> str | None:
    """The SQLSTATE with which a question was refused."""
    try:
        connection.execute(ASK, row)
        connection.commit()
    except psycopg.Error as error:
        connection.rollback()
        return error.sqlstate
    return None


def messages(database: Connection, session: UUID) -> list[dict[str, Any]]:
    return database.execute(
        "select id, turn, content from public.chat_messages where session_id = %s order by turn", [session]
    ).fetchall()
