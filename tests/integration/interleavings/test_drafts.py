"""A draft that is saved while its attempt ends."""

from uuid import UUID

import psycopg
import pytest

from tests.support.commands import cancel, regenerate
from tests.support.database import Connection
from tests.support.holder import MakeHolder
from tests.support.people import Chat, People
from tests.support.side_by_side import (
    answers,
    drafts,
    hurry,
    in_background,
    open_work,
    piece,
    reply_of,
)

pytestmark = pytest.mark.usefixtures("quiet")


def test_a_draft_that_comes_during_the_next_attempt_is_not_saved(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    with open_work(database_url) as settling:
        settling.execute("select public.next_attempt(%s, %s, 1, 'timed_out', '{}')", [question, worker.id])
        hurry(worker)
        assert worker.save_draft(claimed, "So far") is None
        settling.commit()
    assert worker.save_draft(claimed, "So far") is None
    assert drafts(database, question) == 0


@pytest.mark.parametrize(
    "settle",
    [
        "select public.next_attempt(%s, %s, 1, 'timed_out', '{}')",
        "select public.complete_reply(%s, %s, 1, 'All of it', 'stop', '{}')",
        "select public.fail_reply(%s, %s, 1, 'timed_out', null, '{}')",
        "select public.fail_reply(%s, %s, 1, 'timed_out', 60, '{}')",
    ],
    ids=["next_attempt", "complete_reply", "fail_reply", "fail_reply-for-now"],
)
def test_a_draft_that_is_being_saved_ends_with_its_attempt(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, question: UUID, settle: str
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    with psycopg.connect(database_url, autocommit=True) as settling, open_work(database_url) as saving:
        saving.execute("select public.save_drafts(%s, %s)", [worker.id, piece(claimed, "So far")])
        with in_background(
            settling, lambda: settling.execute(settle, [question, worker.id]).fetchone(), database
        ) as settled:
            saving.commit()
            assert settled.result(10) is not None
    assert drafts(database, question) == 0


@pytest.mark.parametrize("finish", ["stop", "cancelled"])
def test_a_draft_that_comes_during_the_answer_is_not_saved(
    database: Connection, database_url: str, make_holder: MakeHolder, question: UUID, finish: str
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    with open_work(database_url) as settling:
        settling.execute(
            "select public.complete_reply(%s, %s, 1, 'All of it', %s, '{}')", [question, worker.id, finish]
        )
        hurry(worker)
        assert worker.save_draft(claimed, "So far") is None
        settling.commit()
    assert worker.save_draft(claimed, "So far") is None
    assert drafts(database, question) == 0


def test_a_version_that_is_stopped_before_a_claim_is_never_the_text_of_the_one_before(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    """With a draft of the first version left behind, which takes an operator's hand today."""
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "The first text")
    worker.complete(claimed, "The first text, whole")
    regenerate(database_url, chat.user, question)
    database.execute(
        """insert into private.draft_pieces (message_id, attempt, version, starts_at, content)
        values (%s, 1, 1, 0, 'The first text')""",
        [question],
    )
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert answers(database, question) == [
        {"version": 1, "content": "The first text, whole", "finish_reason": "stop"}
    ]
    assert reply_of(database, question)["version"] == 2


def test_a_version_that_is_stopped_keeps_its_own_text_and_no_others(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.complete(claimed, "The first text, whole")
    regenerate(database_url, chat.user, question)
    (second,) = worker.claim()
    database.execute(
        """insert into private.draft_pieces (message_id, attempt, version, starts_at, content)
        values (%(q)s, 1, 1, 0, 'The first text'), (%(q)s, 1, 2, 0, 'Another attempt'),
          (%(q)s, 2, 1, 0, 'Another version')""",
        {"q": question},
    )
    worker.save_draft(second, "The ")
    worker.save_draft(second, "second", starts_at=4)
    worker.save_draft(second, "behind a gap", starts_at=20)
    assert cancel(database_url, chat.user, question) == "answering"
    worker.give_back(second)
    assert [answer["content"] for answer in answers(database, question)] == ["The first text, whole", "The second"]
