"""Posts and analyses that are too deep or too large, and calls without a model."""

import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import CALL, MakeHolder
from tests.support.people import People
from tests.support.side_by_side import (
    ledger,
)

pytestmark = pytest.mark.usefixtures("quiet")


def levels(count: int) -> str:
    return '{"a":' * count + "1" + "}" * count


DEEP_OR_LARGE = {
    "17 levels": levels(17),
    "2,000 levels": levels(2000),
    "5,000 levels": levels(5000),
    "5 MB": '{"a": "' + "x" * 5_000_000 + '"}',
}


@pytest.mark.parametrize("value", DEEP_OR_LARGE.values(), ids=[name.replace(" ", "-") for name in DEEP_OR_LARGE])
def test_a_post_that_is_too_deep_or_too_large_is_answered_without_that_part(
    people: People, database: Connection, make_holder: MakeHolder, value: str
) -> None:
    chat = people.make_chat()
    database.execute(
        "update public.posts set metrics = %s::jsonb, media = %s::jsonb where id = %s",
        [value, f"[{value}]", chat.post],
    )
    questions = {str(people.ask(chat)), str(people.ask(people.make_chat()))}
    replies = {reply["message_id"]: reply for reply in make_holder().claim()}
    assert replies.keys() == questions
    (post,) = next(reply["posts"] for reply in replies.values() if reply["session_id"] == str(chat.session))
    assert (post["metrics"], post["media"]) == ({}, [])
    assert (post["wholes"]["metrics"], post["wholes"]["media"]) == (1, 1)


def test_an_analysis_of_many_megabytes_makes_no_large_claim(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    chat = people.make_chat()
    database.execute(
        """update public.post_analyses set key_insights = to_jsonb(array[repeat('x', 3000000)]),
          frameworks = to_jsonb(array[repeat('x', 3000000)]), viral_status = repeat('x', 3000000)
        where id = %s""",
        [chat.analysis],
    )
    people.ask(chat)
    worker = make_holder()
    worker.register()
    row = one_row(
        worker.connection.execute("select octet_length(public.claim_replies(%s, 1, 10)::text)", [worker.id])
    )
    assert row[0] < 500_000


def test_figures_that_fit_are_handed_on_unchanged(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    chat = people.make_chat()
    database.execute("update public.posts set metrics = %s::jsonb where id = %s", [levels(14), chat.post])
    people.ask(chat)
    (claimed,) = make_holder().claim()
    assert str(claimed["posts"][0]["metrics"]).count("a") == 14


def test_a_call_without_a_model_leaves_no_row_behind(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    (claimed,) = worker.claim()
    assert worker.give_back(claimed) == 1
    assert ledger(database, question) == []
    (claimed,) = worker.claim()
    assert worker.fail(claimed, "model_overloaded", retry_in=0, call={**CALL, "model_requested": None})
    assert ledger(database, question) == []
