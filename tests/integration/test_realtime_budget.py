"""What the database sends for one question, which the worker's budget pays for."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.holder import Holder
from tests.people import People
from worker.broadcast import EVENTS_OF_A_REPLY

pytestmark = pytest.mark.usefixtures("quiet")


def test_a_question_and_its_answer_are_as_many_events_as_the_budget_says(
    people: People, database: Any, make_holder: Callable[[], Holder]
) -> None:
    holder, chat = make_holder(), people.make_chat()
    database.execute("delete from realtime.messages")
    people.ask(chat)
    holder.complete(*holder.claim())

    sent = database.execute("select event, topic from realtime.messages order by inserted_at").fetchall()
    of_the_chat = [row["event"] for row in sent if row["topic"] != "chat:worker"]
    assert len(sent) == EVENTS_OF_A_REPLY, sent
    assert sorted(of_the_chat) == ["message", "message", "reply", "reply", "reply"]
