"""A question that is sent again, or in the place of another one."""

from uuid import uuid4

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.ids import ASK, ask_rest, messages
from tests.support.people import Chat, People
from tests.support.side_by_side import as_user, queued, status_of

pytestmark = pytest.mark.usefixtures("quiet")


def test_a_question_sent_again_is_409_and_changes_nothing(people: People, database: Connection, chat: Chat) -> None:
    question = uuid4()
    assert ask_rest(people, chat.user, chat.session, id=question)[0] == 201
    assert ask_rest(people, chat.user, chat.session, id=question) == (409, "23505")
    database.execute("update public.chat_sessions set status = 'archived' where id = %s", [chat.session])
    assert ask_rest(people, chat.user, chat.session, id=question) == (409, "23505")
    assert [row["turn"] for row in messages(database, chat.session)] == [1]
    assert database.execute(
        "select last_turn from public.chat_sessions where id = %s", [chat.session]
    ).fetchone() == {"last_turn": 1}


@pytest.mark.parametrize("difference", ["content", "session", "owner"])
def test_what_differs_from_the_stored_question_is_refused_and_spends_nothing(
    people: People, database: Connection, chat: Chat, difference: str
) -> None:
    question = people.ask(chat)
    into = {"content": chat, "session": people.make_chat(chat.user), "owner": people.make_chat()}[difference]
    before = one_row(database.execute("select last_turn from public.chat_sessions where id = %s", [into.session]))
    content = "Something else" if difference == "content" else "Why did it work?"
    assert ask_rest(people, into.user, into.session, id=question, content=content) == (409, "23505")
    after = one_row(database.execute("select last_turn from public.chat_sessions where id = %s", [into.session]))
    assert before == after


def test_an_insert_that_ignores_duplicates_stops_no_reply_by_the_way(
    people: People, database: Connection, database_url: str, chat: Chat
) -> None:
    """A stored id with `replaces` in a chat of one's own: nothing is inserted, so nothing may be stopped."""
    stored = people.ask(people.make_chat(chat.user))
    newest = people.ask(chat)
    with as_user(database_url, chat.user) as asking:
        try:
            asking.execute(ASK + " on conflict (id) do nothing", [stored, chat.session, "Another", newest])
            asking.commit()
        except psycopg.errors.UniqueViolation:
            asking.rollback()
    assert status_of(database, newest) == "pending"
    assert [row["turn"] for row in messages(database, chat.session)] == [1]


def test_anothers_id_is_refused_as_any_id_in_use_and_shows_nothing_of_it(
    people: People, database: Connection, chat: Chat
) -> None:
    question, other = people.ask(chat), people.make_chat()
    sent = people.signed_in(other.user).post(
        "/chat_messages", json={"id": str(question), "session_id": str(other.session), "content": "Mine"}
    )
    assert (sent.status_code, sent.json()["code"]) == (409, "23505")
    assert str(chat.session) not in sent.text
    assert [row["content"] for row in messages(database, chat.session)] == ["Why did it work?"]


def test_a_question_in_anothers_chat_is_refused_alike_whether_that_exists_or_not(people: People, chat: Chat) -> None:
    stranger = people.make_user()
    question = people.ask(chat)
    for id_ in (question, uuid4()):
        for session in (chat.session, uuid4()):
            assert ask_rest(people, stranger, session, id=id_) == (403, "42501")


def test_the_database_itself_refuses_to_replace_a_question_of_another_chat(
    people: People, database: Connection, chat: Chat
) -> None:
    """Whatever the trigger may overlook: with it off, the composite key is still there."""
    other, mine = people.ask(people.make_chat()), people.ask(chat)
    with psycopg.connect(database.info.dsn, password=database.info.password) as operator:
        operator.execute("alter table public.chat_messages disable trigger order_message")
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match="replaces_a_question_of_the_same_session"):
            operator.execute(
                """insert into public.chat_messages (session_id, user_id, content, turn, replaces)
                values (%s, %s, 'B', 2, %s)""",
                [chat.session, chat.user.id, other],
            )
        operator.rollback()
    assert queued(database, mine) is not None


def test_the_door_of_what_is_sent_again_replaces_nothing(people: People, database: Connection, chat: Chat) -> None:
    """Id, chat, owner and content of a stored question, and `replaces` besides."""
    first = people.ask(chat)
    newest = people.ask(chat, "The newest")
    sent = ask_rest(people, chat.user, chat.session, id=first, content="Why did it work?", replaces=newest)
    assert sent == (409, "23505")
    assert status_of(database, newest) == "pending"
