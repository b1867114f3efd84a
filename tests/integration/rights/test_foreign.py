"""What is somebody else's looks like what is missing, and no user sets what is not theirs to set."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.support.chat_rows import messages_of
from tests.support.database import Connection
from tests.support.every_table import Row
from tests.support.people import People


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("role", "assistant"),
        ("user_id", str(UUID(int=1))),
        ("turn", 7),
        ("version", 1),
        ("tokens_used", 1),
        ("model", "mine"),
        ("finish_reason", "stop"),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("reply_to", "the question"),
    ],
)
def test_a_user_sets_nothing_but_the_question(
    people: People, database: Connection, column: str, value: object
) -> None:
    chat = people.make_chat()
    question = people.ask(chat)
    message = {"session_id": str(chat.session), "role": "user", "content": "Hello", column: value}
    if column == "reply_to":
        message[column] = str(question)
    response = people.signed_in(chat.user).post("/chat_messages", json=message)
    assert (response.status_code, response.json()["code"]) == (403, "42501")
    assert [each["id"] for each in messages_of(database, chat)] == [question]


def test_a_foreign_session_and_a_missing_one_look_the_same(people: People, database: Connection) -> None:
    chat, archived = people.make_chat(), people.make_chat()
    database.execute("update public.chat_sessions set status = 'archived' where id = %s", [archived.session])
    stranger = people.signed_in(people.make_user())

    def answer(session: object) -> tuple[int, str]:
        response = stranger.post("/chat_messages", json={"session_id": str(session), "content": "Hello"})
        return response.status_code, response.text

    missing = answer(uuid4())
    assert missing[0] == 403
    assert answer(chat.session) == missing
    assert answer(archived.session) == missing
    assert messages_of(database, chat) == []


def test_a_role_of_the_projects_own_learns_nothing_of_sessions_and_locks_none(
    people: People, database: Connection, database_url: str
) -> None:
    """Whoever the policies stop is a user, whatever the name of their role."""
    chat, archived = people.make_chat(), people.make_chat()
    database.execute("update public.chat_sessions set status = 'archived' where id = %s", [archived.session])
    question = people.ask(chat)

    def answer(host: psycopg.Connection[Any], session: UUID, replaces: UUID | None = None) -> tuple[str, str]:
        with pytest.raises(psycopg.Error) as refused, host.transaction():
            host.execute(
                "insert into public.chat_messages (session_id, content, replaces) values (%s, 'Hello', %s)",
                [session, replaces],
            )
        assert refused.value.sqlstate is not None
        return refused.value.sqlstate, str(refused.value)

    with psycopg.connect(database_url) as host:
        host.execute("create role member; grant member to current_user; grant usage on schema public to member")
        host.execute("grant insert (session_id, content, replaces) on public.chat_messages to member")
        host.execute("set local role member")
        missing = answer(host, uuid4())
        assert missing[0] == "42501"
        assert answer(host, archived.session) == missing
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute("begin")
            owner.execute("select from public.chat_sessions where id = %s for no key update", [chat.session])
            assert answer(host, chat.session, question) == missing  # and not 429 busy, after a wait for that lock
        host.rollback()


def test_a_foreign_analysis_and_a_missing_one_look_the_same(people: People) -> None:
    user = people.make_user()
    _, unopened = people.make_analysis(user)
    opened = people.make_chat(user).analysis
    stranger = people.signed_in(people.make_user())

    def answer(analysis: object) -> tuple[int, str]:
        response = stranger.post("/chat_sessions", json={"post_analysis_id": str(analysis)})
        return response.status_code, response.text

    missing = answer(uuid4())
    assert missing[0] == 403
    assert answer(unopened) == missing
    assert answer(opened) == missing


def test_a_draft_is_read_by_its_owner_alone_also_embedded_in_its_reply(people: People, database: Connection) -> None:
    row = Row(people, database, "chat_reply_drafts")
    owner, other = people.signed_in(row.chat.user), people.signed_in(people.make_user())
    [draft] = owner.get("/chat_reply_drafts", params=row.filter).json()
    assert (draft["message_id"], draft["session_id"]) == (str(row.message), str(row.chat.session))
    assert (draft["user_id"], draft["attempt"], draft["content"]) == (str(row.chat.user.id), 0, "Beca")
    embedded = {**row.filter, "select": "message_id,draft:chat_reply_drafts(attempt,content)"}
    assert owner.get("/chat_replies", params=embedded).json() == [
        {"message_id": str(row.message), "draft": {"attempt": 0, "content": "Beca"}}
    ]
    assert other.get("/chat_replies", params=embedded).json() == []
    assert other.get("/chat_reply_drafts").json() == []
