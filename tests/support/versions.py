"""Other versions of an answer and other wordings of a question: how they are asked for, and what is then current."""

from uuid import UUID

import httpx

from tests.support.database import Connection
from tests.support.holder import Holder
from tests.support.people import Chat, People
from tests.support.side_by_side import reply_of


def regenerate(client: httpx.Client, question: UUID) -> httpx.Response:
    return client.post("/rpc/regenerate_reply", json={"message_id": str(question)})


def replace(client: httpx.Client, chat: Chat, question: UUID, content: str = "In other words") -> httpx.Response:
    return client.post(
        "/chat_messages",
        json={"session_id": str(chat.session), "role": "user", "content": content, "replaces": str(question)},
    )


def current(client: httpx.Client, chat: Chat) -> list[str]:
    """What the chat is made of, as its owner reads it."""
    found = client.get(
        "/current_chat_messages",
        params={"session_id": f"eq.{chat.session}", "order": "turn,role.desc", "select": "content"},
    )
    return [row["content"] for row in found.json()]


def state(database: Connection, question: UUID) -> tuple[str, int]:
    row = reply_of(database, question)
    return row["status"], row["version"]


def answers(database: Connection, question: UUID) -> dict[int, str]:
    rows = database.execute("select version, content from public.chat_messages where reply_to = %s", [question])
    return {row["version"]: row["content"] for row in rows}


def answered(people: People, chat: Chat, worker: Holder, question: str = "Why?", answer: str = "Because.") -> UUID:
    asked = people.ask(chat, question)
    (claimed,) = worker.claim()
    assert worker.complete(claimed, answer)
    return asked


def is_refused(response: httpx.Response, status: int, hint: str) -> bool:
    assert (response.status_code, response.json()["hint"]) == (status, hint), response.text
    return True
