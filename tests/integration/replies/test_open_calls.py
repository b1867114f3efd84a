"""A call that has not ended, in the ledger."""

from collections.abc import Callable
from uuid import UUID

import pytest

from tests.support.database import Connection
from tests.support.holder import Holder, MakeHolder
from tests.support.people import Chat, People

pytestmark = pytest.mark.usefixtures("quiet")

FallSilent = Callable[[Holder], None]


def test_an_open_call_has_its_model_from_the_next_beat(
    people: People, database: Connection, chat: Chat, make_holder: MakeHolder, falls_silent: FallSilent
) -> None:
    question = people.ask(chat)
    dead = make_holder()
    (claimed,) = dead.claim()
    dead.beat({**claimed, "model": None})
    assert models(database, question) == [(None, "claimed")]
    dead.beat({**claimed, "model": "first"})
    dead.beat({**claimed, "model": "another"})
    assert models(database, question) == [("first", "started")]

    falls_silent(dead)
    (current_claim,) = make_holder().claim()
    dead.beat({**claimed, "model": "first"}, {**current_claim, "model": "first"})
    assert models(database, question) == [("first", "lost"), (None, "claimed")]


def models(database: Connection, question: UUID) -> list[tuple[str | None, str]]:
    rows = database.execute(
        "select model_requested, outcome from public.external_api_call_logs where message_id = %s order by attempt",
        [question],
    )
    return [(row["model_requested"], row["outcome"]) for row in rows]
