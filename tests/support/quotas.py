"""What a plan allows, as its user is told: how it is asked for, used up and refused."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from tests.support.holder import Holder
from tests.support.people import Chat, People

HELD = 40_192  # tokens, of an unfinished reply
UNTOLD = {"model_requested": "gemini-test"}
ESTIMATED = {**UNTOLD, "cost_usd": 0.001, "cost_is_estimated": True}


def ask(client: httpx.Client, chat: Chat, **columns: object) -> httpx.Response:
    return client.post("/chat_messages", json={"session_id": str(chat.session), "content": "Why?", **columns})


def usage(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """Limit → what chat_usage says of it."""
    answer = client.post("/rpc/chat_usage", json={}).raise_for_status().json()
    return {each["limit"]: each for each in answer["limits"]}


def refusal(response: httpx.Response) -> dict[str, Any]:
    """What a refusal says of its limit. All other things it says are those of every refusal."""
    body = response.json()
    assert (response.status_code, body["code"], body["hint"]) == (429, "quota_exceeded", "quota_exceeded"), body
    details: dict[str, Any] = json.loads(body["details"])
    assert set(details) == {"limit", "most", "used", "resets_at"}
    assert body["message"].startswith(f"Your plan allows {details['most']} ")
    if details["resets_at"] is None:
        assert "retry-after" not in response.headers
    else:
        left = (datetime.fromisoformat(details["resets_at"]) - datetime.now(UTC)).total_seconds()
        assert left <= int(response.headers["retry-after"]) < left + 600  # it was said a moment ago
    return details


def ends_with_its_period(resets_at: str, limit: str) -> bool:
    """Of UTC; the one that is passing, or that has passed since it was said."""
    at = datetime.fromisoformat(resets_at)
    return any(at == period_end(limit, datetime.now(UTC) - ago) for ago in (timedelta(0), timedelta(minutes=1)))


def period_end(limit: str, now: datetime) -> datetime:
    if limit == "questions_per_minute":
        return now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    if limit == "questions_per_hour":
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def failed(people: People, database: Any, chat: Chat, worker: Holder) -> UUID:
    question = people.ask(chat)
    (claimed,) = worker.claim()
    worker.fail(claimed)
    return question


def answered(people: People, database: Any, chat: Chat, worker: Holder) -> UUID:
    question = people.ask(chat)
    (claimed,) = worker.claim()
    worker.complete(claimed)
    return question


def tokens(client: httpx.Client) -> tuple[int, int]:
    """Used and held, today."""
    today = usage(client)["tokens_per_day"]
    return today["used"], today["held"]
