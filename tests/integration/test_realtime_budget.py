"""What the database sends for one question, which the worker's budget pays for."""

import pytest

from tests.support.database import Connection
from tests.support.holder import MakeHolder
from tests.support.people import People
from worker.realtime.broadcast import EVENTS_OF_A_REPLY

pytestmark = pytest.mark.usefixtures("quiet")


def test_a_question_and_its_answer_are_as_many_events_as_the_budget_says(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    holder, chat = make_holder(), people.make_chat()
    database.execute("delete from realtime.messages")
    people.ask(chat)
    (claimed,) = holder.claim()
    holder.complete(claimed)

    sent = database.execute("select event, topic from realtime.messages order by inserted_at").fetchall()
    of_the_chat = [row["event"] for row in sent if row["topic"] != "chat:worker"]
    assert len(sent) == EVENTS_OF_A_REPLY, sent
    assert sorted(of_the_chat) == ["message", "message", "reply", "reply", "reply"]


def test_three_times_a_question_no_more_is_sent_of_a_reply_than_pages_read(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    """It lies in Realtime's table for days. Messages are sent whole: pages show them as they come."""
    holder, chat = make_holder(), people.make_chat()
    question = people.ask(chat)
    (claimed,) = holder.claim()
    holder.complete(claimed)

    rows = database.execute(
        "select event, payload -> 'record' as record from realtime.messages where topic = %s order by inserted_at",
        [f"chat:{chat.session}"],
    ).fetchall()
    replies = [row["record"] for row in rows if row["event"] == "reply"]
    of_all = {"message_id": str(question), "version": 1, "error_code": None}
    assert replies == [
        {**of_all, "status": "pending", "attempt": 0},
        {**of_all, "status": "answering", "attempt": 1},
        {**of_all, "status": "completed", "attempt": 1},
    ]
    stored = database.execute(
        "select to_jsonb(m) as row from public.chat_messages m where session_id = %s order by turn, role desc",
        [chat.session],
    ).fetchall()
    assert [row["record"] for row in rows if row["event"] == "message"] == [row["row"] for row in stored]
