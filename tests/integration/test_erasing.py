"""What is deleted is erased from Realtime's own table, too, and deleting never waits for that or fails by it."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.database import Connection, one_row
from tests.support.holder import MakeHolder
from tests.support.people import Chat, People
from worker.local.stack import Stack
from worker.local.supabase.passwords import SUPERUSER

pytestmark = pytest.mark.usefixtures("quiet")

SECRET, ANSWER = "A secret question", "A secret answer"


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.fixture(autouse=True)
def _nothing_to_erase(quiet: None, people: People) -> None:
    """Others have deleted, too."""
    while erase(people)["erased"]:
        pass


def erase(people: People) -> dict[str, int]:
    answer = people.service().post("/rpc/erase_broadcasts", json={})
    assert answer.status_code == 200, answer.text
    found: dict[str, int] = answer.json()
    return found


def sent(database: Connection, chat: Chat) -> list[str]:
    """What Realtime's table holds of this chat."""
    rows = database.execute(
        "select payload::text as words from realtime.messages where topic = %s", [f"chat:{chat.session}"]
    ).fetchall()
    return [row["words"] for row in rows]


@pytest.fixture
def answered(people: People, make_holder: MakeHolder, chat: Chat) -> Chat:
    people.ask(chat, SECRET)
    worker = make_holder()
    [reply] = worker.claim()
    assert worker.complete(reply, ANSWER)
    return chat


def test_a_chat_that_is_deleted_is_erased(people: People, database: Connection, answered: Chat) -> None:
    other = people.make_chat(answered.user)
    people.ask(other, "Another chat's")
    before = sent(database, other)
    assert any(SECRET in words for words in sent(database, answered))
    assert any(ANSWER in words for words in sent(database, answered))
    where = {"id": f"eq.{answered.session}"}
    people.signed_in(answered.user).delete("/chat_sessions", params=where).raise_for_status()

    assert erase(people) == {"erased": 1, "left": 0}
    assert sent(database, answered) == []
    assert sent(database, other) == before, "what is there stays there"
    assert erase(people) == {"erased": 0, "left": 0}


def test_a_user_who_is_deleted_is_erased(people: People, database: Connection, answered: Chat) -> None:
    database.execute("delete from auth.users where id = %s", [answered.user.id])

    assert erase(people)["left"] == 0
    assert sent(database, answered) == []


def test_a_message_that_is_deleted_by_hand_is_erased_and_the_others_stay(
    people: People, database: Connection, answered: Chat
) -> None:
    database.execute(
        "delete from public.chat_messages where session_id = %s and role = 'assistant'", [answered.session]
    )

    assert erase(people) == {"erased": 1, "left": 0}
    words = sent(database, answered)
    assert not any(ANSWER in each for each in words)
    assert any(SECRET in each for each in words)


def test_of_a_whole_chat_only_the_chat_is_noted(people: People, database: Connection, answered: Chat) -> None:
    database.execute("delete from public.chat_sessions where id = %s", [answered.session])

    rows = database.execute("select id, session_id from private.erasures").fetchall()
    assert rows == [{"id": answered.session, "session_id": answered.session}]


def test_a_deletion_that_is_rolled_back_erases_nothing(
    people: People, database_url: str, database: Connection, answered: Chat
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("delete from public.chat_sessions where id = %s", [answered.session])
        connection.rollback()

    assert erase(people) == {"erased": 0, "left": 0}
    assert any(SECRET in words for words in sent(database, answered))


@pytest.fixture
def realtimes_own(stack: Stack) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(stack.postgres.url(SUPERUSER), row_factory=dict_row) as connection:
        connection.execute("set local lock_timeout = '20s'")
        yield connection
        connection.rollback()


def test_deleting_waits_for_nothing_that_is_realtimes(
    people: People, database: Connection, realtimes_own: psycopg.Connection[Any], answered: Chat
) -> None:
    """Somebody has locked every row of Realtime's table: the chat is deleted all the same, and erased later."""
    realtimes_own.execute("select from realtime.messages for update")
    where = {"id": f"eq.{answered.session}"}
    people.signed_in(answered.user).delete("/chat_sessions", params=where).raise_for_status()
    realtimes_own.rollback()

    assert erase(people) == {"erased": 1, "left": 0}
    assert sent(database, answered) == []


def test_where_rows_may_not_be_deleted_they_are_made_empty(
    realtimes_own: psycopg.Connection[Any], answered: Chat
) -> None:
    realtimes_own.execute("revoke delete on realtime.messages from postgres")
    realtimes_own.execute("revoke supabase_realtime_admin from postgres")
    realtimes_own.execute("delete from public.chat_sessions where id = %s", [answered.session])
    row = one_row(realtimes_own.execute("select public.erase_broadcasts() as answer"))

    assert row == {"answer": {"erased": 1, "left": 0}}
    assert set(sent(realtimes_own, answered)) == {"{}"}


def test_what_fails_is_kept_for_the_next_time(realtimes_own: psycopg.Connection[Any], answered: Chat) -> None:
    realtimes_own.execute("delete from public.chat_sessions where id = %s", [answered.session])
    realtimes_own.execute("savepoint before")
    realtimes_own.execute("alter table realtime.messages rename to elsewhere")
    with pytest.raises(psycopg.errors.UndefinedTable):
        realtimes_own.execute("select public.erase_broadcasts()")
    realtimes_own.execute("rollback to before")

    row = one_row(realtimes_own.execute("select public.erase_broadcasts() as answer"))
    assert row == {"answer": {"erased": 1, "left": 0}}


def test_two_workers_at_a_time_do_not_wait_for_each_other(
    people: People, database: Connection, database_url: str, answered: Chat
) -> None:
    database.execute("delete from public.chat_sessions where id = %s", [answered.session])
    with psycopg.connect(database_url, row_factory=dict_row) as first:
        first.execute("select public.erase_broadcasts()")
        assert erase(people) == {"erased": 0, "left": 1}
        first.commit()

    assert erase(people) == {"erased": 0, "left": 0}
