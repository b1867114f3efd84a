"""An id that was used is used up for everybody, also while its row is just being deleted."""

from uuid import uuid4

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import MakeHolder
from tests.support.ids import ASK, ask_rest, messages, outcome
from tests.support.people import Chat, People
from tests.support.side_by_side import as_user, in_background, open_work

pytestmark = pytest.mark.usefixtures("quiet")


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
    """Whoever could take the id of a deleted chat would have its channel."""
    database.execute("delete from public.chat_sessions where id = %s", [chat.session])
    with pytest.raises(psycopg.errors.UniqueViolation, match="used before"):
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
