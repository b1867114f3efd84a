"""The spend cap and the pause: set by the operator, told to who is refused."""

import json
from typing import Any
from uuid import UUID

import httpx

from tests.support.database import Connection
from tests.support.people import Chat, People


def change(database: Connection, **values: object) -> None:
    """As an operator does in the dashboard."""
    for column, value in values.items():
        database.execute(f"update public.chat_settings set {column} = %s", [value])


def forget(database: Connection) -> None:
    database.execute("update private.spend set day = '-infinity', measured_at = '-infinity'")


def refuse_by(database: Connection, reason: str) -> None:
    change(database, **({"paused": True} if reason == "paused" else {cap_of(reason): 0}))


def cap_of(reason: str) -> str:
    return f"spend_cap_usd_per_{reason.removeprefix('spend_cap_')}"


def measure(people: People) -> dict[str, Any]:
    answer = people.service().post("/rpc/measure_spend")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ask(people: People, chat: Chat, **more: object) -> httpx.Response:
    message = {"session_id": str(chat.session), "content": "Why did it work?", **more}
    return people.signed_in(chat.user).post("/chat_messages", json=message)


def command(people: People, name: str, chat: Chat, message: UUID) -> httpx.Response:
    return people.signed_in(chat.user).post(f"/rpc/{name}", json={"message_id": str(message)})


def turns_of(database: Connection, chat: Chat) -> list[tuple[str, int]]:
    rows = database.execute(
        "select role, turn from public.chat_messages where session_id = %s order by turn, role", [chat.session]
    )
    return [(row["role"], row["turn"]) for row in rows.fetchall()]


def assert_refused(answer: httpx.Response, reason: str) -> dict[str, Any]:
    body = answer.json()
    assert (answer.status_code, body["code"], body["hint"]) == (429, "project_paused", "project_paused")
    assert body["message"].endswith(".")
    details: dict[str, Any] = json.loads(body["details"])
    assert details["reason"] == reason
    assert int(answer.headers["retry-after"]) >= 1
    return details
