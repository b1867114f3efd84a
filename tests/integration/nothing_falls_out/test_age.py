"""A question that has waited too long is ended; when its age begins, and when it stands still."""

from uuid import UUID

import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import Holder, MakeHolder
from tests.support.people import Chat, People
from tests.support.side_by_side import (
    as_user,
    fall_silent,
    hurry,
    open_work,
    reply_of,
    status_of,
)

pytestmark = pytest.mark.usefixtures("quiet")

ASK = "insert into public.chat_messages (session_id, content) values (%s, 'The next one')"


def ended_by(worker: Holder) -> int:
    """How many questions it ended since they had waited for ten minutes."""
    did = worker.reconcile(max_wait=600)
    assert did is not None
    return int(did["ended"])


def age(database: Connection, question: UUID, seconds: float) -> None:
    database.execute(
        """update private.reply_queue set waiting_since = waiting_since - make_interval(secs => %s)
        where message_id = %s""",
        [seconds, question],
    )


def waited(database: Connection, question: UUID) -> float:
    row = one_row(
        database.execute(
            """select extract(epoch from now() - waiting_since)::float8 as s from private.reply_queue
        where message_id = %s""",
            [question],
        )
    )
    return float(row["s"])


def test_what_has_waited_too_long_is_ended_without_any_claim(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    old, following = people.ask(chat), people.ask(chat)
    young = people.ask(people.make_chat())
    age(database, old, 601)
    age(database, young, 590)
    assert make_holder().reconcile(max_wait=600) == {"mended": 0, "ended": 1, "more": False}
    assert (reply_of(database, old)["status"], reply_of(database, old)["error_code"]) == ("failed", "waited_too_long")
    assert {status_of(database, question) for question in (following, young)} == {"pending"}


def test_the_age_of_a_question_begins_when_it_becomes_its_chats_next(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    first, second = people.ask(chat), people.ask(chat)
    age(database, first, 601)
    assert ended_by(make_holder()) == 1
    assert waited(database, second) < 5


def test_the_age_stands_still_while_a_question_is_answered(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    question, worker = people.ask(chat), make_holder()
    age(database, question, 100)
    (claimed,) = worker.claim()
    database.execute("update private.reply_queue set claimed_at = claimed_at - interval '1 hour'")
    age(database, question, 3600)  # it was claimed an hour ago, and had waited 100 s by then
    assert worker.reconcile(max_wait=600) == {"mended": 0, "ended": 0, "more": False}
    worker.beat(claimed, known=1)
    assert worker.give_back(claimed) == 1
    assert 99 < waited(database, question) < 110


@pytest.mark.parametrize("how", ["fail", "bury"])
def test_the_time_for_which_it_was_held_is_no_age_however_it_came_back(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat, how: str
) -> None:
    question, worker = people.ask(chat), make_holder()
    age(database, question, 100)
    (claimed,) = worker.claim()
    database.execute("update private.reply_queue set claimed_at = claimed_at - interval '1 hour'")
    age(database, question, 3600)
    if how == "fail":
        worker.fail(claimed, "model_overloaded", retry_in=0)
    else:
        fall_silent(database, worker)
        make_holder().claim(most=0)
    assert 99 < waited(database, question) < 110


def test_what_was_put_off_grows_old_meanwhile(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    question, worker = people.ask(chat), make_holder()
    worker.give_back(*worker.claim(), due_in=3600)
    age(database, question, 601)
    assert ended_by(worker) == 1
    assert reply_of(database, question)["error_code"] == "waited_too_long"


def test_what_is_retried_by_its_author_begins_a_new_age(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    question = people.ask(chat)
    age(database, question, 601)
    make_holder().reconcile(max_wait=600)
    with as_user(database_url, chat.user) as user:
        user.execute("select public.retry_reply(%s)", [question])
        user.commit()
    assert waited(database, question) < 5


def test_more_than_twenty_old_ones_are_ended_by_asking_again_at_once(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    questions = [people.ask(people.make_chat()) for _ in range(25)]
    for question in questions:
        age(database, question, 601)
    worker = make_holder()
    assert worker.reconcile(max_wait=600, every=60) == {"mended": 0, "ended": 20, "more": True}
    assert worker.reconcile(max_wait=600, every=60) == {"mended": 0, "ended": 5, "more": False}
    assert worker.reconcile(max_wait=600, every=60) is None
    assert {status_of(database, question) for question in questions} == {"failed"}


def test_the_last_in_line_are_ended_first(people: People, database: Connection, make_holder: MakeHolder) -> None:
    user = people.make_user()
    questions = [people.ask(people.make_chat(user)) for _ in range(25)]
    database.execute("update private.reply_queue set waiting_since = waiting_since - interval '601 s'")
    # Rows that were written last are read last: without an order, the first in line would be the first to go.
    make_holder().reconcile(max_wait=600, every=60)
    assert [status_of(database, question) for question in questions] == ["pending"] * 5 + ["failed"] * 20


def test_what_is_old_and_being_settled_is_left_alone(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    question, looking = people.ask(chat), make_holder()
    age(database, question, 601)
    hurry(looking)
    with open_work(database_url) as asking:
        asking.execute(ASK, [chat.session])
        assert ended_by(looking) == 0
        asking.commit()
    assert ended_by(looking) == 1
