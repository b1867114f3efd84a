"""Ids: a client chooses that of a question and of nothing else, and one that was used is used up for everybody."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import Holder
from tests.support.people import Chat, People, User
from tests.support.side_by_side import as_user, ids, in_background, open_work, queued, status_of

pytestmark = pytest.mark.usefixtures("quiet")

MakeHolder = Callable[[], Holder]

ASK = "insert into public.chat_messages (id, session_id, content, replaces) values (%s, %s, %s, %s)"


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


def ask_rest(people: People, user: User, session: UUID, **row: object) -> tuple[int, str]:
    sent = people.signed_in(user).post(
        "/chat_messages", json={"session_id": str(session), "content": "Why?"} | {k: str(v) for k, v in row.items()}
    )
    return sent.status_code, "" if sent.status_code < 400 else str(sent.json()["code"])


def outcome(connection: psycopg.Connection[Any], *row: object) -> str | None:
    """The SQLSTATE with which a question was refused."""
    try:
        connection.execute(ASK, row)
        connection.commit()
    except psycopg.Error as error:
        connection.rollback()
        return error.sqlstate
    return None


def messages(database: Connection, session: UUID) -> list[dict[str, Any]]:
    return database.execute(
        "select id, turn, content from public.chat_messages where session_id = %s order by turn", [session]
    ).fetchall()


# Used up.


@pytest.mark.parametrize("deletion", ["chat", "message by hand", "account"])
def test_the_id_of_a_deleted_question_is_used_up_for_everybody(
    people: People, database: Connection, chat: Chat, deletion: str
) -> None:
    question, other = people.ask(chat), people.make_chat()
    mine = people.make_chat(chat.user)
    if deletion == "chat":
        assert people.signed_in(chat.user).delete(f"/chat_sessions?id=eq.{chat.session}").is_success
    elif deletion == "message by hand":
        database.execute("delete from public.chat_messages where id = %s", [question])
    else:
        database.execute("delete from auth.users where id = %s", [chat.user.id])
    assert ask_rest(people, other.user, other.session, id=question) == (409, "23505")
    if deletion != "account":
        assert ask_rest(people, mine.user, mine.session, id=question) == (409, "23505")
    assert messages(database, other.session) == []


def test_the_id_of_a_deleted_answer_is_used_up(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.complete(claimed)
    answer = one_row(
        database.execute(
            "select id from public.chat_messages where session_id = %s and role = 'assistant'", [chat.session]
        )
    )["id"]
    database.execute("delete from public.chat_sessions where id = %s", [chat.session])
    other = people.make_chat()
    assert ask_rest(people, other.user, other.session, id=answer) == (409, "23505")


def test_the_id_of_a_deleted_chat_is_used_up_even_for_the_operator(
    people: People, database: Connection, chat: Chat
) -> None:
    database.execute("delete from public.chat_sessions where id = %s", [chat.session])
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.execute(
            "insert into public.chat_sessions (id, user_id, post_analysis_id) values (%s, %s, %s)",
            [chat.session, chat.user.id, chat.analysis],
        )


def test_an_id_whose_deletion_was_rolled_back_is_still_in_use(
    people: People, database: Connection, database_url: str, chat: Chat
) -> None:
    question = people.ask(chat)
    with open_work(database_url) as operator:
        operator.execute("delete from public.chat_sessions where id = %s", [chat.session])
    assert database.execute("select from private.used_ids where id = %s", [question]).fetchone() is None
    assert ask_rest(people, chat.user, chat.session, id=question) == (409, "23505")
    assert [row["id"] for row in messages(database, chat.session)] == [question]


def test_a_refused_id_spends_no_turn_and_opens_no_reply(people: People, database: Connection, chat: Chat) -> None:
    gone = people.make_chat(chat.user)
    used = people.ask(gone)
    database.execute("delete from public.chat_sessions where id = %s", [gone.session])
    ask_rest(people, chat.user, chat.session, id=used)
    people.ask(chat)
    assert [row["turn"] for row in messages(database, chat.session)] == [1]


def test_ids_that_are_used_up_name_nobody(database: Connection) -> None:
    columns = database.execute(
        "select attname as column_name from pg_attribute where attrelid = 'private.used_ids'::regclass and attnum > 0"
    ).fetchall()
    assert [row["column_name"] for row in columns] == ["id"]


# A row that is just being deleted.


@pytest.mark.parametrize("asked_by", ["its owner", "a stranger", "its owner, in an archived chat"])
def test_an_id_that_is_just_being_deleted_is_refused_before_and_after_that(
    people: People, database: Connection, database_url: str, chat: Chat, asked_by: str
) -> None:
    question = people.ask(chat)
    into = people.make_chat() if asked_by == "a stranger" else people.make_chat(chat.user)
    if "archived" in asked_by:
        database.execute("update public.chat_sessions set status = 'archived' where id = %s", [into.session])
    with open_work(database_url) as deleting, as_user(database_url, into.user) as asking:
        deleting.execute("delete from public.chat_sessions where id = %s", [chat.session])
        assert outcome(asking, question, into.session, "Why?", None) == "23505"
        deleting.commit()
        assert outcome(asking, question, into.session, "Why?", None) in ("23505", "PT409")
    assert messages(database, into.session) == []


def test_an_id_that_is_used_and_deleted_while_its_insert_waits_is_refused(
    people: People, database: Connection, database_url: str, chat: Chat
) -> None:
    """The key waits for a row that nobody sees yet, and says yes when the same transaction deletes it again."""
    question, other = uuid4(), people.make_chat()
    with open_work(database_url) as working, as_user(database_url, other.user) as asking:
        working.execute(ASK, [question, chat.session, "Mine", None])
        with in_background(asking, lambda: outcome(asking, question, other.session, "Why?", None), database) as asked:
            working.execute("delete from public.chat_sessions where id = %s", [chat.session])
            working.commit()
            assert asked.result(10) == "23505"
    assert messages(database, other.session) == []


def test_sent_again_into_the_chat_that_is_just_being_deleted_is_refused(
    people: People, database: Connection, database_url: str, chat: Chat
) -> None:
    question = people.ask(chat)
    with open_work(database_url) as deleting, as_user(database_url, chat.user) as asking:
        deleting.execute("delete from public.chat_sessions where id = %s", [chat.session])
        assert outcome(asking, question, chat.session, "Why did it work?", None) == "PT429"
        deleting.commit()
        assert outcome(asking, question, chat.session, "Why did it work?", None) is not None
    assert messages(database, chat.session) == []


# Sent again.


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


# Replacing.


@pytest.mark.parametrize("whose", ["another user's", "another chat's", "nobody's"])
def test_only_a_question_of_the_same_chat_can_be_replaced(
    people: People, database: Connection, chat: Chat, whose: str
) -> None:
    target = {
        "another user's": lambda: people.ask(people.make_chat()),
        "another chat's": lambda: people.ask(people.make_chat(chat.user)),
        "nobody's": uuid4,
    }[whose]()
    people.ask(chat)
    assert ask_rest(people, chat.user, chat.session, replaces=target) == (404, "PT404")
    if whose != "nobody's":
        assert status_of(database, target) == "pending"


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


# Chats.


def test_nobody_chooses_the_id_of_a_chat(people: People, database: Connection) -> None:
    user = people.make_user()
    _, analysis = people.make_analysis(user)
    client, chosen = people.signed_in(user), uuid4()
    sent = client.post("/chat_sessions", json={"id": str(chosen), "post_analysis_id": str(analysis)})
    assert (sent.status_code, sent.json()["code"]) == (403, "42501")
    sent = client.post("/chat_sessions", json={"post_analysis_id": str(analysis)})
    assert sent.status_code == 201
    assert database.execute("select from public.chat_sessions where id = %s", [chosen]).fetchone() is None


def test_the_channel_of_a_deleted_chat_can_be_joined_by_nobody_again(
    people: People, database: Connection, chat: Chat
) -> None:
    """Who has no chat of that id may not read its topic, and a chat of that id can never be made again."""
    thief = people.make_chat()
    assert people.signed_in(chat.user).delete(f"/chat_sessions?id=eq.{chat.session}").is_success
    client = people.signed_in(thief.user)
    _, analysis = people.make_analysis(thief.user)
    assert (
        client.post("/chat_sessions", json={"id": str(chat.session), "post_analysis_id": str(analysis)}).status_code
        == 403
    )
    changed = client.patch(f"/chat_sessions?id=eq.{thief.session}", json={"id": str(chat.session)})
    assert changed.status_code == 403
    assert database.execute("select from public.chat_sessions where id = %s", [chat.session]).fetchone() is None


def test_a_chat_opened_again_for_the_same_analysis_has_another_id(people: People, chat: Chat) -> None:
    client = people.signed_in(chat.user)
    assert client.delete(f"/chat_sessions?id=eq.{chat.session}").is_success
    opened = client.post("/rpc/open_chat_session", json={"post_analysis_id": str(chat.analysis)})
    assert opened.status_code == 200
    assert opened.json()["id"] != str(chat.session)


def test_a_question_after_all_of_this_is_answered(people: People, make_holder: MakeHolder, chat: Chat) -> None:
    used = people.ask(chat)
    assert people.signed_in(chat.user).delete(f"/chat_sessions?id=eq.{chat.session}").is_success
    again = people.make_chat(chat.user)
    ask_rest(people, again.user, again.session, id=used)
    assert ask_rest(people, again.user, again.session)[0] == 201
    worker = make_holder()
    (claimed,) = worker.claim()
    assert ids([claimed]) != {str(used)}
    assert worker.complete(claimed) is True
