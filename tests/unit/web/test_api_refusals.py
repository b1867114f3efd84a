"""What the HTTP endpoints make of the database's refusals of a question, and of one that waited too long."""

from typing import Any

import httpx
import pytest

from tests.support.access_tokens import token_of
from worker.web.api import OPENAPI, http_answer, problems
from worker.web.api.problems import Problem
from worker.web.api.project import LIMITS
from worker.web.app import create_page_app

SESSION = "5e55a000-0000-4000-8000-000000000000"
KEY = "9e570000-0000-4000-8000-000000000001"
BUSY = {"code": "PT429", "hint": "busy", "message": "Three are under way. Try again in a second."}
FULL = {"code": "PT429", "hint": "too_many_pending", "message": "Too many questions are waiting for an answer."}
QUOTA = {
    "code": "quota_exceeded",
    "hint": "quota_exceeded",
    "message": "Your plan allows 60 questions an hour.",
    "details": '{"limit": "questions_per_hour", "most": 60, "used": 60, "resets_at": "2026-11-27T15:00:00+00:00"}',
}
PAUSED = {
    "code": "project_paused",
    "hint": "project_paused",
    "message": "The chat is paused.",
    "details": '{"reason": "paused", "resets_at": null, "more": "unheard of"}',
}
USED = {"code": "23505", "message": "This id was used before."}


def question(**over: Any) -> Any:
    reply: dict[str, Any] = {
        "status": "pending",
        "error_code": None,
        "version": 1,
        "draft": None,
        "question": {"answers": []},
    }
    row = {"id": KEY, "session_id": SESSION, "role": "user", "content": "Why?", "created_at": "2026-11-24T12:00:00Z"}
    return {**row, "reply": reply, **over}


def ask(monkeypatch: pytest.MonkeyPatch, insert: httpx.Response, stored: list[dict[str, Any]]) -> Any:
    def answer(_client: httpx.Client, method: str, *_: Any, **__: Any) -> httpx.Response:
        return insert if method == "POST" else httpx.Response(200, json=stored)

    monkeypatch.setattr(httpx.Client, "request", answer)
    client = create_page_app("https://abc.supabase.co", "sb_publishable_abc").test_client()
    headers = {
        "Authorization": f"Bearer {token_of('authenticated')}",
        "Idempotency-Key": KEY,
        "Prefer": "respond-async",
    }
    return client.post(f"/api/chat/sessions/{SESSION}/messages/", json={"message": "Why?"}, headers=headers)


@pytest.mark.parametrize(("body", "seconds"), [(BUSY, "1"), (FULL, "5")])
def test_a_refusal_for_now_says_when_to_come_again(
    monkeypatch: pytest.MonkeyPatch, body: dict[str, str], seconds: str
) -> None:
    answer = ask(monkeypatch, httpx.Response(429, json=body), [])
    assert (answer.status_code, answer.json["code"], answer.json["detail"]) == (429, body["hint"], body["message"])
    assert answer.headers["Retry-After"] == seconds
    assert answer.content_type == problems.MEDIA_TYPE


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            QUOTA,
            {"limit": "questions_per_hour", "most": 60, "used": 60, "resets_at": "2026-11-27T15:00:00+00:00"},
        ),
        (PAUSED, {"reason": "paused", "resets_at": None}),
        ({**PAUSED, "details": None}, {}),
        ({**PAUSED, "details": "[1]"}, {}),
        ({**PAUSED, "details": "[" * 100_000}, {}),
    ],
    ids=["quota", "paused", "no details", "a list", "brackets"],
)
def test_a_limit_says_which_it_is_and_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch, body: dict[str, str], told: dict[str, Any]
) -> None:
    answer = ask(monkeypatch, httpx.Response(429, json=body, headers={"Retry-After": "2713"}), [])
    assert (answer.status_code, answer.json["code"], answer.json["detail"]) == (429, body["code"], body["message"])
    assert answer.headers["Retry-After"] == "2713"
    assert answer.content_type == problems.MEDIA_TYPE
    assert answer.json.items() >= told.items()
    assert answer.json.keys() - told.keys() == {"type", "title", "status", "detail", "code"}


@pytest.mark.parametrize("wait", [None, "", "soon", "-1", "1" * 11, "1\u0661"])
def test_a_limit_without_a_sound_time_to_come_again_gets_one(
    monkeypatch: pytest.MonkeyPatch, wait: str | None
) -> None:
    headers = [] if wait is None else [(b"Retry-After", wait.encode())]
    answer = ask(monkeypatch, httpx.Response(429, json=PAUSED, headers=headers), [])
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")


def test_another_refusal_is_not_told_in_the_databases_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for status, code in [(429, "somebody_elses"), (400, "quota_exceeded"), (500, "project_paused")]:
        answer = ask(monkeypatch, httpx.Response(status, json={**QUOTA, "code": code}), [])
        assert QUOTA["message"] not in answer.text
        assert answer.json["code"] not in ("quota_exceeded", "project_paused")


@pytest.mark.parametrize(
    ("stored", "status", "code"),
    [
        ([question()], 202, None),
        ([], 422, "idempotency_key_reused"),
        ([question(content="Who?")], 422, "idempotency_key_reused"),
        ([question(session_id=KEY)], 422, "idempotency_key_reused"),
    ],
)
@pytest.mark.parametrize("insert", [httpx.Response(409, json=USED), httpx.Response(200, json=[])])
def test_a_key_that_is_taken_is_fine_for_the_same_question_alone(
    monkeypatch: pytest.MonkeyPatch,
    insert: httpx.Response,
    stored: list[dict[str, Any]],
    status: int,
    code: str | None,
) -> None:
    answer = ask(monkeypatch, insert, stored)
    assert (answer.status_code, answer.json.get("code")) == (status, code)


def test_one_that_waited_too_long_may_be_asked_again_later() -> None:
    failed = {**question()["reply"], "status": "failed", "error_code": "waited_too_long"}
    with pytest.raises(Problem) as refused:
        http_answer.of(question(reply=failed))
    assert (refused.value.status, refused.value.body["code"]) == (503, "waited_too_long")
    assert refused.value.headers == {"Retry-After": "30"}


def test_the_document_knows_the_codes() -> None:
    codes = OPENAPI["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert {"busy", "too_many_pending"} <= set(codes)
    assert set(LIMITS) <= set(codes)
    told = OPENAPI["components"]["schemas"]["Problem"]["properties"]
    assert set().union(*LIMITS.values()) <= told.keys()


def test_the_document_says_that_a_limit_says_when_to_come_again() -> None:
    operations = [operation for path in OPENAPI["paths"].values() for operation in path.values()]
    limited = [each["responses"]["429"]["$ref"] for each in operations if "429" in each["responses"]]
    assert set(limited) == {"#/components/responses/Limited"}
    assert OPENAPI["components"]["responses"]["Limited"]["headers"]["Retry-After"]["required"]
