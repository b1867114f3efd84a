"""The HTTP endpoints, as a program without supabase-js calls them."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.faulty_model import FaultyModel
from tests.support.http_api import Database, client_of, count, is_problem, path
from tests.support.people import Chat, People
from tests.support.waiting import wait_for
from worker.local.stack import Stack

SENDERS = 100
CAPS = [(f"spend_cap_usd_per_{span}", "0", f"spend_cap_{span}") for span in ("day", "month")]


@pytest.fixture
def chat(people: People, worker: Stack) -> Chat:
    return people.make_chat()


@pytest.fixture
def api(house: Stack, chat: Chat) -> Iterator[httpx.Client]:
    with client_of(house, chat.user) as client:
        yield client


def test_a_chat_is_opened_once_asked_and_read_again(house: Stack, people: People, worker: Stack) -> None:
    user = people.make_user()
    _, analysis = people.make_analysis(user)
    with client_of(house, user) as api:
        assert api.get("/sessions/").json() == {"sessions": []}
        opened = api.post("/sessions/", json={"post_analysis_id": str(analysis)})
        again = api.post("/sessions", json={"post_analysis_id": str(analysis)})
        assert opened.status_code == again.status_code == 200
        assert opened.json() == again.json()
        session = opened.json()["session_id"]
        assert (opened.json()["status"], opened.json()["messages"]) == ("active", [])

        asked = api.post(f"/sessions/{session}/messages/", json={"message": "How many likes did it get?"})
        assert asked.status_code == 200
        exchange = asked.json()
        assert "48,210" in exchange["assistant_message"]["content"]
        assert exchange["assistant_message"]["tokens_used"] > 0
        assert exchange["user_message"]["status"] == "completed"

        history = api.get(f"/sessions/{session}/messages/").json()
        assert history == {
            "session_id": session,
            "messages": [exchange["user_message"], exchange["assistant_message"]],
            "earlier": None,
        }
        assert api.get(f"/sessions/{session}/").json()["messages"] == history["messages"]
        [listed] = api.get("/sessions/", params={"post_analysis_id": str(analysis)}).json()["sessions"]
        assert (listed["id"], listed["message_count"]) == (session, 2)


def test_the_history_has_what_is_current(house: Stack, people: People, api: httpx.Client, chat: Chat) -> None:
    old = api.post(path(chat), json={"message": "How many lkies did it get?"}).json()["user_message"]["id"]
    owner, new = people.signed_in(chat.user), str(uuid4())
    row = {"id": new, "session_id": str(chat.session), "role": "user", "content": "How many likes did it get?"}
    owner.post("/chat_messages", json={**row, "replaces": old}).raise_for_status()

    def shown() -> list[dict[str, Any]]:
        return api.get(path(chat)).json()["messages"]

    wait_for(lambda: len(shown()) == 2, "the answer to the second question")
    first = shown()[1]["id"]
    owner.post("/rpc/regenerate_reply", json={"message_id": new}).raise_for_status()
    wait_for(lambda: [each["id"] for each in shown()][1:] not in ([], [first]), "the second version")
    question, _ = shown()
    assert question["id"] == new
    assert api.get(path(chat), params={"limit": 1}).json()["earlier"] is None


def test_a_question_that_is_sent_again_has_its_answer_though_another_version_failed(
    people: People, api: httpx.Client, chat: Chat, faulty_model: FaultyModel
) -> None:
    key, body = {"Idempotency-Key": str(uuid4())}, {"message": f"How many likes did it get? {uuid4().hex}"}
    first = api.post(path(chat), json=body, headers=key).json()
    faulty_model.add("refuse", status=400, question=body["message"])
    owner = people.signed_in(chat.user)
    owner.post("/rpc/regenerate_reply", json={"message_id": key["Idempotency-Key"]}).raise_for_status()
    wait_for(lambda: api.get(path(chat)).json()["messages"][0]["status"] == "failed", "the second version's failure")

    again = api.post(path(chat), json=body, headers=key)
    assert again.status_code == 200
    assert again.json()["assistant_message"]["id"] == first["assistant_message"]["id"]


def test_whoever_does_not_wait_is_told_the_status(api: httpx.Client, chat: Chat) -> None:
    answer = api.post(path(chat), json={"message": "How many likes?"}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert answer.json()["status"] in ("pending", "answering")
    message = answer.json()["user_message"]["id"]

    def done() -> bool:
        first = api.get(path(chat)).json()["messages"][0]
        return (first["id"], first["status"]) == (message, "completed")

    wait_for(done, "the answer in the history")


def test_when_time_is_up_the_question_goes_on(api: httpx.Client, chat: Chat, faulty_model: FaultyModel) -> None:
    marker = uuid4().hex
    faulty_model.add("stall", question=marker, seconds=4)
    answer = api.post(path(chat), json={"message": f"How many likes? {marker}"}, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=1")
    wait_for(lambda: len(api.get(path(chat)).json()["messages"]) == 2, "the answer", seconds=20)


def test_an_answer_comes_as_events(api: httpx.Client, chat: Chat, faulty_model: FaultyModel) -> None:
    marker = uuid4().hex
    # Long enough for several drafts, which are saved every 500 characters.
    faulty_model.add("say", question=marker, text="The hook is a question. " * 100, pace_ms=20)
    with api.stream(
        "POST",
        path(chat),
        json={"message": f"How can I improve this post? {marker}"},
        headers={"Accept": "text/event-stream"},
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    events = [(lines[n][7:], json.loads(lines[n + 1][6:])) for n in range(0, len(lines), 2)]
    assert events[0][0] == "user_message"
    assert events[-1][0] == "assistant_message"
    drafts = [data["text"] for name, data in events if name == "draft"]
    assert drafts
    assert all(events[-1][1]["content"].startswith(text) for text in drafts)


def test_the_same_key_asks_once_and_never_another_thing(api: httpx.Client, chat: Chat, database: Database) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = api.post(path(chat), json={"message": "How many likes?"}, headers=key)
    again = api.post(path(chat), json={"message": "How many likes?"}, headers=key)
    assert first.json() == again.json()
    assert first.json()["user_message"]["id"] == key["Idempotency-Key"]
    assert is_problem(api.post(path(chat), json={"message": "Another"}, headers=key), 422, "idempotency_key_reused")
    assert is_problem(
        api.post(path(chat), json={"message": "x"}, headers={"Idempotency-Key": "1"}), 400, "idempotency_key_invalid"
    )
    assert count(database, chat) == 2


def test_what_a_program_sends_wrong_is_told(house: Stack, api: httpx.Client, chat: Chat) -> None:
    assert is_problem(api.post("/sessions/", json={"post_analysis_id": str(uuid4())}), 400, "analysis_unknown")
    assert is_problem(api.post("/sessions/", json={"post_analysis_id": "1"}), 400, "post_analysis_id_invalid")
    assert is_problem(api.post("/sessions/", json={"a": 1}), 400, "body_invalid")
    for text in ("", " \n", "x" * 4001, "a\x00b", "\ud83d"):
        body = json.dumps({"message": text})
        answer = api.post(path(chat), content=body, headers={"Content-Type": "application/json"})
        assert is_problem(answer, 400, "message_invalid")
    assert is_problem(
        api.post(path(chat), content="{", headers={"Content-Type": "application/json"}), 400, "body_invalid"
    )
    assert is_problem(api.post(path(chat), content="message=x"), 415, "unsupported_media_type")
    assert is_problem(api.post(path(chat), json={"message": "x" * 70_000}), 413, "request_entity_too_large")
    assert is_problem(api.get(path(chat), params={"limit": "0"}), 400, "limit_invalid")
    assert is_problem(api.get("/nothing"), 404, "not_found")
    refused = api.delete("/sessions/")
    assert is_problem(refused, 405, "method_not_allowed")
    assert "POST" in refused.headers["Allow"]
    with client_of(house, None) as nobody:
        answer = nobody.get("/sessions/")
        assert is_problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        for token in ("nonsense", house.environment["SUPABASE_SECRET_KEY"]):
            answer = nobody.get("/sessions/", headers={"Authorization": f"Bearer {token}"})
            assert is_problem(answer, 401, "unauthorized")


def test_anothers_chat_and_a_missing_one_look_alike(
    house: Stack, chat: Chat, people: People, database: Database
) -> None:
    with client_of(house, people.make_user()) as stranger:
        for session in (chat.session, uuid4()):
            assert is_problem(stranger.get(f"/sessions/{session}/"), 404, "not_found")
            assert is_problem(stranger.get(f"/sessions/{session}/messages/"), 404, "not_found")
            asked = stranger.post(f"/sessions/{session}/messages/", json={"message": "x"})
            assert is_problem(asked, 404, "not_found")
    assert count(database, chat) == 0


@pytest.mark.parametrize(
    ("format", "media_type"),
    [("txt", "text/plain"), ("md", "text/markdown"), ("json", "application/json"), ("pdf", "application/pdf")],
)
def test_a_chat_is_exported(
    house: Stack, api: httpx.Client, chat: Chat, people: People, format: str, media_type: str
) -> None:
    api.post(
        path(chat), json={"message": "How many likes? \u0645\u0631\u062d\u0628\u0627 \u4f60\u597d"}
    ).raise_for_status()
    answer = api.get(f"/sessions/{chat.session}/export", params={"format": format})
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == media_type
    assert answer.headers["content-disposition"] == f'attachment; filename="chat-instagram-mara.{format}"'
    if format == "pdf":
        assert answer.content.startswith(b"%PDF-")
    else:
        assert "\u4f60\u597d" in answer.text
        assert "48,210" in answer.text
    with client_of(house, people.make_user()) as stranger:
        refused = stranger.get(f"/sessions/{chat.session}/export", params={"format": format})
        assert is_problem(refused, 404, "not_found")
    assert is_problem(api.get(f"/sessions/{chat.session}/export", params={"format": "doc"}), 400, "format_invalid")


@pytest.mark.parametrize(("column", "value", "reason"), [("paused", "true", "paused"), *CAPS])
def test_a_project_that_takes_no_questions_says_why_and_until_when(
    api: httpx.Client, chat: Chat, database: Database, column: str, value: str, reason: str
) -> None:
    database.execute(f"update public.chat_settings set {column} = {value}")
    try:
        refused = api.post(path(chat), json={"message": "How many likes did it get?"})
    finally:
        database.execute(f"update public.chat_settings set {column} = default")
    assert is_problem(refused, 429, "project_paused")
    assert refused.json()["reason"] == reason
    assert (refused.json()["resets_at"] is None) == (reason == "paused")
    assert 1 <= int(refused.headers["retry-after"]) <= 31 * 86_400
    assert count(database, chat) == 0


def test_an_archived_chat_takes_no_question(api: httpx.Client, chat: Chat, database: Database) -> None:
    database.execute("update public.chat_sessions set status = 'archived' where id = %s", [chat.session])
    assert is_problem(api.post(path(chat), json={"message": "x"}), 409, "session_archived")


def test_too_many_questions_are_refused(api: httpx.Client, chat: Chat, house: Stack) -> None:
    house.worker.stop()
    try:
        answers = [
            api.post(path(chat), json={"message": f"{n}"}, headers={"Prefer": "respond-async"}) for n in range(21)
        ]
    finally:
        house.worker.start()
    assert {answer.status_code for answer in answers[:-1]} == {202}
    assert is_problem(answers[-1], 429, "too_many_pending")
    assert answers[-1].headers["Retry-After"]


def test_a_failed_answer_keeps_the_question(api: httpx.Client, chat: Chat, faulty_model: FaultyModel) -> None:
    marker = uuid4().hex
    faulty_model.add("blocked_prompt", question=marker)
    answer = api.post(path(chat), json={"message": f"How many likes? {marker}"})
    assert is_problem(answer, 502, "content_blocked")
    assert answer.json()["user_message"]["status"] == "failed"


def test_while_as_many_wait_as_may_others_are_refused_and_health_and_page_answer(
    house: Stack, worker: Stack, people: People, database: Database, faulty_model: FaultyModel
) -> None:
    marker = uuid4().hex
    faulty_model.add("stall", question=marker, times=None, seconds=6)
    chats = [people.make_chat() for _ in range(SENDERS)]
    started = threading.Barrier(SENDERS + 1)

    def send(chat: Chat) -> httpx.Response:
        with client_of(house, chat.user) as client:
            started.wait(60)
            return client.post(path(chat), json={"message": f"How many likes? {marker}"})

    with ThreadPoolExecutor(SENDERS) as senders:
        sent = [senders.submit(send, chat) for chat in chats]
        started.wait(60)
        wait_for(lambda: any(each.done() for each in sent), "the first refusal", seconds=20)
        base = house.environment["WEB_URL"]
        assert httpx.get(f"{base}/healthz", timeout=5).status_code == 200
        assert httpx.get(base, timeout=5).status_code == 200
        answers = [each.result() for each in sent]
    refused = [n for n, answer in enumerate(answers) if answer.status_code == 503]
    assert 0 < len(answers) - len(refused) <= 24
    # Some are refused even a thread that would tell them so: those are kept for page and health.
    assert {answers[n].json()["code"] for n in refused} <= {"too_many_waiting", "too_busy"}
    assert all(is_problem(answers[n], 503, answers[n].json()["code"]) for n in refused)
    assert all(answers[n].headers["Retry-After"] for n in refused)
    assert all(count(database, chats[n]) == 0 for n in refused)
    assert {answer.status_code for answer in answers} == {200, 503}


def test_without_the_api_it_says_so(house: Stack, api: httpx.Client, worker: Stack) -> None:
    house.api.kill()
    try:
        assert is_problem(api.get("/sessions/"), 502, "api_unreachable")
    finally:
        house.api.start()
