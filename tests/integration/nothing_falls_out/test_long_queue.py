"""New questions are refused while the queue is too long."""

from collections.abc import Callable

import pytest

from tests.support.database import Connection
from tests.support.holder import MakeHolder
from tests.support.people import Chat, People
from tests.support.side_by_side import (
    status_of,
)

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def answered(database: Connection) -> Callable[[int], None]:
    def answered_in_the_last_minute(count: int) -> None:
        database.execute("delete from public.external_api_call_logs")
        database.execute(
            """insert into public.external_api_call_logs
              (message_id, attempt, session_id, user_id, worker_id, outcome, finished_at)
            select gen_random_uuid(), 1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ok', now()
            from generate_series(1, %s)""",
            [count],
        )

    return answered_in_the_last_minute


def busy_for_a_minute(database: Connection) -> None:
    """The queue was never empty in the last minute."""
    database.execute("update private.reply_queue set waiting_since = waiting_since - interval '61 s'")


def ask_rest(people: People, chat: Chat) -> tuple[int, str | None]:
    sent = people.signed_in(chat.user).post(
        "/chat_messages", json={"session_id": str(chat.session), "content": "Why?"}
    )
    return sent.status_code, sent.json().get("hint") if sent.status_code >= 400 else None


def test_new_questions_are_refused_while_their_turn_would_come_too_late(
    people: People, database: Connection, make_holder: MakeHolder, answered: Callable[[int], None], chat: Chat
) -> None:
    waiting = [people.ask(people.make_chat()) for _ in range(30)]
    worker = make_holder()
    answered(2)  # a minute: the last of thirty comes in fifteen
    busy_for_a_minute(database)
    worker.reconcile(max_wait=600)
    assert ask_rest(people, chat) == (429, "too_many_pending")
    answered(30)
    worker.reconcile(max_wait=600)
    assert ask_rest(people, chat)[0] == 201
    assert {status_of(database, question) for question in waiting} == {"pending"}


def test_a_short_queue_is_never_too_long_and_no_pace_is_known_when_nothing_was_answered(
    people: People, database: Connection, make_holder: MakeHolder, answered: Callable[[int], None], chat: Chat
) -> None:
    for _ in range(20):
        people.ask(people.make_chat())
    worker = make_holder()
    answered(1)
    busy_for_a_minute(database)
    worker.reconcile(max_wait=600)
    assert ask_rest(people, chat)[0] == 201
    people.ask(people.make_chat())
    busy_for_a_minute(database)
    answered(0)
    worker.reconcile(max_wait=600)
    assert ask_rest(people, people.make_chat())[0] == 201


def test_a_crowd_that_comes_after_a_quiet_minute_is_not_refused(
    people: People, make_holder: MakeHolder, answered: Callable[[int], None], chat: Chat
) -> None:
    for _ in range(30):
        people.ask(people.make_chat())
    answered(1)
    make_holder().reconcile(max_wait=600)
    assert ask_rest(people, chat)[0] == 201


def test_a_refusal_ends_when_nobody_looks_any_more(
    people: People, database: Connection, make_holder: MakeHolder, answered: Callable[[int], None], chat: Chat
) -> None:
    database.execute("update private.reconciler set refuses_questions = true, last_run_at = now()")
    assert ask_rest(people, chat) == (429, "too_many_pending")
    database.execute("update private.reconciler set last_run_at = now() - interval '4 min'")
    assert ask_rest(people, chat)[0] == 201
