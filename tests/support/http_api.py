"""A client of the HTTP endpoints."""

from typing import Any

import httpx
import psycopg

from tests.support.documented import assert_documented
from tests.support.people import Chat, User
from worker.local.stack import Stack

Database = psycopg.Connection[dict[str, Any]]


def client_of(house: Stack, user: User | None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {user.token}"} if user else {}
    return httpx.Client(
        base_url=f"{house.environment['WEB_URL']}/api/chat",
        headers=headers,
        timeout=40,
        event_hooks={"response": [assert_documented]},
    )


def path(chat: Chat) -> str:
    return f"/sessions/{chat.session}/messages/"


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), answer.text
    return bool(body["detail"])


def count(database: Database, chat: Chat) -> int:
    rows = database.execute("select 1 from public.chat_messages where session_id = %s", [chat.session])
    return len(rows.fetchall())
