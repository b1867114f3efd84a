"""The key of the ledger: an id or an attempt that was used before stops one reply and no other."""

from uuid import UUID, uuid4

import pytest

from tests.support.database import Connection
from tests.support.holder import MakeHolder
from tests.support.people import Chat, People
from tests.support.side_by_side import (
    ids,
    ledger,
    reply_of,
)

pytestmark = pytest.mark.usefixtures("quiet")


def ask_rest(people: People, chat: Chat, question: UUID) -> int:
    sent = people.signed_in(chat.user).post(
        "/chat_messages", json={"id": str(question), "session_id": str(chat.session), "content": "Why?"}
    )
    return sent.status_code


def test_a_question_under_the_id_of_a_deleted_one_is_refused_and_others_are_answered(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    worker, question, chat = make_holder(), uuid4(), people.make_chat()
    assert ask_rest(people, chat, question) == 201
    (claimed,) = worker.claim()
    worker.complete(claimed)
    assert people.signed_in(chat.user).delete(f"/chat_sessions?id=eq.{chat.session}").status_code in (200, 204)

    again = people.make_chat(chat.user)
    other = people.ask(people.make_chat())
    assert ask_rest(people, again, question) == 409
    assert ids(worker.claim()) == {str(other)}


def test_a_ledger_that_already_has_the_next_attempt_stops_one_reply_and_no_other(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    chat = people.make_chat()
    first = people.ask(chat)
    others = [people.ask(people.make_chat()) for _ in range(3)]
    database.execute(
        """insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id, outcome)
        values (%s, 1, %s, %s, gen_random_uuid(), 'ok')""",
        [first, chat.session, chat.user.id],
    )
    answer = make_holder().claim_all()
    assert ids(answer["replies"]) == {str(other) for other in others}
    assert answer["refused"] == {"settled": 1}
    assert (reply_of(database, first)["status"], reply_of(database, first)["error_code"]) == ("failed", "internal")
    assert ledger(database, first) == [(1, "ok")]


def test_attempts_go_on_where_the_ledger_ended(people: People, database: Connection, make_holder: MakeHolder) -> None:
    """By hand, an id may come back: the list of used ids is emptied, or the trigger is off."""
    chat, question = people.make_chat(), uuid4()
    database.execute(
        """insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id, outcome)
        values (%s, 3, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ok')""",
        [question],
    )
    database.execute(
        "insert into public.chat_messages (id, session_id, content) values (%s, %s, 'Why?')", [question, chat.session]
    )
    (claimed,) = make_holder().claim()
    assert claimed["attempt"] == 4
