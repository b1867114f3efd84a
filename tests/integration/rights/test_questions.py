"""Which questions are accepted, and what sending one again does."""

import re
from contextlib import suppress
from uuid import uuid4

import psycopg
import pytest

from tests.support.chat_rows import messages_of
from tests.support.database import Connection
from tests.support.people import People
from worker.text import BLANKS, is_blank


@pytest.mark.parametrize(
    ("content", "check"),
    [
        ("", "user_message_is_1_to_4000_characters"),
        ("x" * 4001, "user_message_is_1_to_4000_characters"),
        (" \n\t ", "user_message_is_not_blank"),
        ("\u200b\u00a0\u2060\u3164\ufeff\U000e0020", "user_message_is_not_blank"),
    ],
    ids=["empty", "4001 characters", "blank", "without width"],
)
def test_questions_that_are_none(people: People, database: Connection, content: str, check: str) -> None:
    chat = people.make_chat()
    response = people.signed_in(chat.user).post(
        "/chat_messages", json={"session_id": str(chat.session), "content": content}
    )
    assert (response.status_code, response.json()["code"]) == (400, "23514")
    assert check in response.json()["message"]
    assert messages_of(database, chat) == []


def test_the_database_sees_as_blank_what_the_http_endpoints_do(people: People, database: Connection) -> None:
    """Each end of each range of such characters, and what stands beside it."""
    codes = [int(found[2:], 16) for found in re.findall(r"\\[uU][0-9a-f]+", BLANKS)]
    beside = {code + step for code in codes for step in (-1, 0, 1)} - {0}
    chat, stored = people.make_chat(), {}
    for code in beside:
        with suppress(psycopg.errors.CheckViolation), database.transaction(force_rollback=True):
            stored[code] = False
            database.execute(
                "insert into public.chat_messages (session_id, content) values (%s, %s)", [chat.session, chr(code)]
            )
            stored[code] = True
    assert stored == {code: not is_blank(chr(code)) for code in beside}


def test_4000_characters_are_a_question(people: People) -> None:
    chat = people.make_chat()
    response = people.signed_in(chat.user).post(
        "/chat_messages", json={"session_id": str(chat.session), "content": "é" * 4000}
    )
    assert response.status_code == 201


def test_the_21st_unfinished_question_is_refused(people: People, database: Connection) -> None:
    chat = people.make_chat()
    client = people.signed_in(chat.user)
    message = {"session_id": str(chat.session), "content": "Hello"}

    bulk = client.post("/chat_messages", json=[message] * 21)
    assert (bulk.status_code, bulk.json()["hint"]) == (429, "too_many_pending")
    assert messages_of(database, chat) == []

    assert client.post("/chat_messages", json=[message] * 20).status_code == 201
    single = client.post("/chat_messages", json=message)
    assert (single.status_code, single.json()["hint"]) == (429, "too_many_pending")
    assert [each["turn"] for each in messages_of(database, chat)] == list(range(1, 21))


def test_the_101st_unfinished_question_of_a_user_is_refused(people: People) -> None:
    user = people.make_user()
    client = people.signed_in(user)
    for _ in range(5):
        message = {"session_id": str(people.make_chat(user).session), "content": "Hello"}
        assert client.post("/chat_messages", json=[message] * 20).status_code == 201
    one_more = {"session_id": str(people.make_chat(user).session), "content": "Hello"}
    refused = client.post("/chat_messages", json=one_more)
    assert (refused.status_code, refused.json()["hint"]) == (429, "too_many_pending")


@pytest.mark.parametrize("archived", [False, True])
def test_sending_again_is_harmless(people: People, database: Connection, archived: bool) -> None:
    chat = people.make_chat()
    client = people.signed_in(chat.user)
    message = {"id": str(uuid4()), "session_id": str(chat.session), "role": "user", "content": "Hello"}

    def send() -> int:
        return client.post(
            "/chat_messages",
            params={"on_conflict": "id"},
            headers={"prefer": "resolution=ignore-duplicates"},
            json=message,
        ).status_code

    assert send() == 201
    if archived:
        database.execute("update public.chat_sessions set status = 'archived' where id = %s", [chat.session])
    assert send() in (200, 201)
    assert [each["turn"] for each in messages_of(database, chat)] == [1]
    session = database.execute("select last_turn from public.chat_sessions where id = %s", [chat.session])
    assert session.fetchone() == {"last_turn": 1}
