"""What the HTTP endpoints make of a caller's request, and of the project's answers."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from flask import Flask, request

from tests.support.access_tokens import token_of
from worker.web import export
from worker.web.api import conversation, exports, problems, project, requests
from worker.web.api.problems import Problem
from worker.web.api.waiting import Shares
from worker.web.app import create_page_app


@pytest.fixture
def read() -> Callable[..., Any]:
    """Reads a made-up request with one of the readers."""
    app = Flask(__name__)

    def reading(reader: Callable[..., Any], *arguments: Any, **made: Any) -> Any:
        with app.test_request_context(**made):
            return reader(request, *arguments)

    return reading


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer a b", "Bearer \u00e9", "Bearer a\tb"]
    + [f"Bearer {key}" for key in ("sb_secret_a", "sb_publishable_a", token_of("service_role"))]
    # What no Supabase has made: it would be asked about it in vain, and a long one would make it seem to be away.
    + [f"Bearer {odd}" for odd in ("a", "a.b", "a.b.c", "a.b.c.d", "e30.e30.", ".e30.c2ln", "e30.W10.c2ln")]
    + [
        f"Bearer {token_of('authenticated')}{odd}"
        for odd in ("=", "~", "+", "/", ".", "\x00", "\x1b", "\x7f", "\u00e9")
    ]
    + [f"Bearer {token_of('authenticated', sub='x' * length)}" for length in (8_000, 45_000)],
    ids=lambda header: header[-20:],
)
def test_what_is_no_users_token_is_refused(read: Callable[..., Any], header: str) -> None:
    with pytest.raises(Problem) as refused:
        read(requests.token, headers={"Authorization": header})
    assert (refused.value.status, refused.value.headers) == (401, {"WWW-Authenticate": "Bearer"})


def test_a_users_token_is_taken(read: Callable[..., Any]) -> None:
    token = token_of("authenticated")
    assert read(requests.token, headers={"Authorization": f"bearer  {token}"}) == token


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b"[" * 50_000,
        b"1" * 5_000,
        b'{"message": 1}',
        b'{"a": "x"}',
        b'{"message": "x", "role": "assistant"}',
    ],
)
def test_a_body_that_cannot_be_read_is_refused(read: Callable[..., Any], body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        read(requests.fields, "message", method="POST", data=body, content_type="application/json")
    assert (refused.value.status, refused.value.body["code"]) == (400, "body_invalid")


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ([], 30.0),
        (["respond-async"], 0.0),
        (["wait=10"], 10.0),
        (["Wait=10, foo"], 10.0),
        (["foo", "wait=5"], 5.0),
        (["wait=99"], 30.0),
        (["wait=x"], 30.0),
        (["wait=0"], 0.0),
    ],
)
def test_preferences(read: Callable[..., Any], prefer: list[str], seconds: float) -> None:
    assert read(requests.longest_wait, 30.0, headers=[("Prefer", each) for each in prefer]) == seconds


@pytest.fixture
def answered_with() -> Callable[..., project.Caller]:
    """A caller's door to a project that answers so, whatever it is asked."""

    def door(status: int, content: bytes) -> project.Caller:
        transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
        return project.Caller(httpx.Client(base_url="http://project.test", transport=transport), "token")

    return door


@pytest.mark.parametrize(
    ("status", "content", "expected", "code"),
    [
        (200, b"<html>", 502, "api_unreachable"),
        (200, b"[" * 100_000, 502, "api_unreachable"),
        (302, b"", 502, "api_unreachable"),
        (502, b"<html>", 502, "api_unreachable"),
        (520, b"<html>", 502, "api_unreachable"),
        (429, b"<html>", 429, "too_many_requests"),
        (503, b"<html>", 503, "database_away"),
        (504, b"", 504, "api_timed_out"),
        (401, b'{"code": "PGRST303", "message": "JWT issued at future"}', 503, "token_from_future"),
        (401, b'{"code": "PGRST303", "message": "JWT expired"}', 401, "unauthorized"),
        (200, b'{"ok": true}', 502, "api_failed"),
        (200, b"[1]", 502, "api_failed"),
        (404, b'{"code": "PGRST205", "message": "Could not find the table"}', 502, "api_failed"),
        (404, b'{"code": "PT404", "hint": "not_found", "message": "There is none."}', 404, "not_found"),
        (409, b'{"code": "PT409", "hint": "session_archived", "message": "Archived."}', 409, "session_archived"),
        (429, b'{"message": "slow down"}', 429, "too_many_requests"),
        (500, b'{"code": "57014", "message": "canceling statement"}', 504, "api_timed_out"),
        (504, b'{"code": "PGRST003"}', 504, "api_timed_out"),
        (503, b'{"code": "PGRST001"}', 503, "database_away"),
        (500, b'{"code": "XX000", "message": "private words"}', 502, "api_failed"),
    ],
)
def test_what_the_project_answers_becomes_a_problem_of_ours(
    answered_with: Callable[..., project.Caller], status: int, content: bytes, expected: int, code: str
) -> None:
    with pytest.raises(Problem) as refused:
        answered_with(status, content).read("chat_sessions")
    assert (refused.value.status, refused.value.body["code"]) == (expected, code)
    assert "private" not in refused.value.body["detail"]
    assert ("Retry-After" in refused.value.headers) == (expected in (429, 503))


def test_a_statement_that_took_too_long_is_told_as_that(answered_with: Callable[..., project.Caller]) -> None:
    """The API was reached, and the network is the wrong place to look."""
    with pytest.raises(Problem) as refused:
        answered_with(500, b'{"code": "57014", "message": "canceling statement"}').read("chat_sessions")
    assert "The database gave up after too long, and changed nothing" in refused.value.body["detail"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "1 to 4,000 characters"),
        (" \n", "not only blanks"),
        ("\u200b\u00a0\u2060\u3164\ufeff\U000e0020", "not only blanks"),
        ("x" * 4001, "1 to 4,000 characters"),
        ("a\x00b", "may not hold the character U+0000"),
        ("\ud83d", "may not hold half a character"),
    ],
)
def test_what_is_wrong_with_a_message_is_what_is_said(read: Callable[..., Any], text: str, words: str) -> None:
    with pytest.raises(Problem) as refused:
        read(requests.message, method="POST", data=json.dumps({"message": text}), content_type="application/json")
    assert refused.value.body["code"] == "message_invalid"
    assert words in refused.value.body["detail"]


@pytest.mark.parametrize("content", [b"[]", b"[{}, {}]", b"1"])
def test_a_function_that_answers_no_row_is_a_broken_project(
    answered_with: Callable[..., project.Caller], content: bytes
) -> None:
    with pytest.raises(Problem) as refused:
        answered_with(200, content).call("open_chat_session")
    assert refused.value.status == 502


def test_a_missing_function_is_not_an_unknown_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the migrations are not applied, the operator must not look for an analysis."""
    missing = httpx.Response(404, json={"code": "PGRST202", "message": "no such function"})
    monkeypatch.setattr(httpx.Client, "request", lambda *_, **__: missing)
    client = create_page_app("https://abc.supabase.co", "sb_publishable_abc").test_client()
    answer = client.post(
        "/api/chat/sessions/",
        json={"post_analysis_id": "0b3f9a52-7a1f-4f07-9c4e-1f7a3b8a6f11"},
        headers={"Authorization": f"Bearer {token_of('authenticated')}"},
    )
    assert (answer.status_code, answer.get_json()["code"]) == (502, "api_failed")
    assert answer.content_type == problems.MEDIA_TYPE


def test_no_answer_is_kept_by_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx.Client, "request", lambda *_, **__: httpx.Response(200, json=[]))
    client = create_page_app("https://abc.supabase.co", "sb_publishable_abc").test_client()
    answer = client.get("/api/chat/sessions/", headers={"Authorization": f"Bearer {token_of('authenticated')}"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


def test_the_list_of_chats_is_whole_and_by_last_message_whatever_the_projects_limit_of_rows() -> None:
    times = ["2026-11-24T10:00:00+00:00", "2026-11-24T10:00:00.5+00:00", "2026-11-24T10:00:00.25+00:00"]
    stored = [{"id": f"{number}", "updated_at": time} for number, time in enumerate(times, start=1)]

    def project_of_one_row(asked: httpx.Request) -> httpx.Response:
        after = asked.url.params["id"].removeprefix("gt.")
        return httpx.Response(200, json=[row for row in stored if row["id"] > after][:1])

    client = httpx.Client(base_url="http://project.test", transport=httpx.MockTransport(project_of_one_row))
    listed = conversation.summaries(project.Caller(client, "token"), {})
    assert [row["id"] for row in listed] == ["2", "3", "1"]


@pytest.mark.parametrize("query", ["limits=1", "limit=1&limit=2", "limit=0", "limit=201", "limit=-1", "before=0"])
def test_a_parameter_that_is_not_understood_is_not_ignored(read: Callable[..., Any], query: str) -> None:
    with pytest.raises(Problem) as refused:
        read(requests.page, query_string=query)
    assert refused.value.status == 400


def test_a_page(read: Callable[..., Any]) -> None:
    assert read(requests.page) == requests.Page(100, None)
    assert read(requests.page, query_string="limit=2&before=7") == requests.Page(2, 7)


def test_a_user_has_one_pdf_set_at_a_time_and_keeps_nobody_else_from_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    pdfs = Shares(1)
    client = httpx.Client(base_url="http://project.test")
    me, somebody = (project.Caller(client, token_of("authenticated", sub)) for sub in ("me", "somebody"))
    asked_meanwhile: list[str] = []

    def render(format: str, _: object) -> tuple[bytes, str]:
        if not asked_meanwhile:
            asked_meanwhile.append("once")
            with pytest.raises(Problem) as refused:
                exports.download(me, "a chat", "pdf", pdfs)
            assert (refused.value.status, refused.value.body["code"]) == (503, "export_busy")
            assert exports.download(me, "a chat", "txt", pdfs).status_code == 200
            assert exports.download(somebody, "a chat", "pdf", pdfs).status_code == 200
        return b"a file", "application/pdf"

    monkeypatch.setattr(export, "read_transcript", lambda *_: object())
    monkeypatch.setattr(export, "file_name", lambda *_: "chat.pdf")
    monkeypatch.setattr(export, "render", render)
    for _ in range(2):  # it is given back
        assert exports.download(me, "a chat", "pdf", pdfs).status_code == 200
    assert asked_meanwhile
