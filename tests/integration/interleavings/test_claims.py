"""Claims whose answers are late, lost or not known to their worker yet."""

import psycopg
import pytest

from tests.support.database import Connection
from tests.support.holder import MakeHolder
from tests.support.people import People
from tests.support.side_by_side import (
    ids,
    ledger,
    place_of,
    status_of,
    uncommitted,
)

pytestmark = pytest.mark.usefixtures("quiet")


def test_the_first_claim_that_comes_after_the_second_takes_nothing(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    people.ask(people.make_chat())
    worker = make_holder()
    worker.register()
    (claimed,) = worker.claim_numbered(2)["replies"]
    worker.beat(claimed, known=2)
    other = people.ask(people.make_chat())

    late = worker.claim_numbered(1)
    assert (late["alive"], late["replies"]) == (True, [])
    assert status_of(database, other) == "pending"
    assert worker.beat(claimed, known=2)["replies"][0]["held"]


def test_the_first_claim_that_comes_before_any_beat_is_given_back_with_the_next(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    """Claim 1 was given up and comes after claim 2 all the same; no beat has said so yet."""
    first, second = people.ask(people.make_chat()), people.ask(people.make_chat())
    worker = make_holder()
    worker.register()
    (claimed,) = worker.claim_numbered(2, most=1)["replies"]
    assert claimed["message_id"] == str(first)
    assert ids(worker.claim_numbered(1)["replies"]) == {str(second)}

    assert worker.beat(claimed, known=2)["replies"][0]["held"]
    assert (status_of(database, first), status_of(database, second)) == ("answering", "pending")
    assert ledger(database, second) == []
    assert place_of(database, second)["calls"] == 0


def test_a_claim_whose_answer_is_still_awaited_is_not_given_back(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    (claimed,) = worker.claim()
    worker.beat(known=0)
    assert status_of(database, question) == "answering"
    assert worker.complete(claimed) is True


def test_a_claim_that_commits_after_it_was_given_up_goes_back_with_the_next_beat(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    worker.register()
    with psycopg.connect(database_url, autocommit=True) as beating, uncommitted(worker):
        assert len(worker.claim_numbered(1)["replies"]) == 1
        beating.execute("set role service_role")
        beating.execute("set statement_timeout = 500")
        beating.execute("select public.beat(%s, 15, 1, null, '{}', '{}', '[]')", [worker.id])
    assert status_of(database, question) == "answering"
    worker.beat(known=1)
    assert status_of(database, question) == "pending"
    assert ledger(database, question) == []


def test_an_attempt_that_its_worker_does_not_know_yet_is_not_given_back(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    """The answer of next_attempt is on its way: the beat names the message with the attempt before."""
    question, worker = people.ask(people.make_chat()), make_holder()
    (claimed,) = worker.claim()
    assert worker.next_attempt(claimed) == 2
    worker.beat(claimed, known=1)
    assert status_of(database, question) == "answering"
    assert worker.next_attempt(claimed) == 2
    assert worker.complete(claimed | {"attempt": 2}) is True


def test_a_give_back_sent_twice_undoes_no_second_claim(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    (claimed,) = worker.claim()
    assert worker.give_back(claimed) == 1
    (again,) = worker.claim()
    assert again["attempt"] == claimed["attempt"] + 1
    assert worker.give_back(claimed) == 0
    assert status_of(database, question) == "answering"


def test_a_full_worker_claims_nothing_and_loses_nothing(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    worker = make_holder()
    people.ask(people.make_chat())
    (claimed,) = worker.claim()
    waiting = people.ask(people.make_chat())
    for places in (0, -1):
        worker.claims += 1
        assert worker.claim_numbered(worker.claims, places)["replies"] == []
    assert worker.beat(claimed, known=worker.claims)["replies"][0]["held"]
    assert status_of(database, waiting) == "pending"


def test_a_worker_without_a_model_gives_back_what_it_claimed_and_nothing_is_counted(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    for _ in range(10):
        (claimed,) = worker.claim()
        assert claimed["calls_left"] == 4
        assert worker.give_back(claimed) == 1
    assert (status_of(database, question), ledger(database, question)) == ("pending", [])
