"""Questions that their workers die of, and the questions beside them."""

import pytest

from tests.support.database import Connection
from tests.support.holder import MakeHolder
from tests.support.people import People
from tests.support.side_by_side import (
    deaths_of,
    fall_silent,
    ids,
    ledger,
    queued,
    reply_of,
    status_of,
)

pytestmark = pytest.mark.usefixtures("quiet")


def die(database: Connection, make_holder: MakeHolder, times: int) -> None:
    """A worker claims, holds nothing else, and is never heard again; as often as that."""
    for _ in range(times):
        dead = make_holder()
        assert dead.claim(most=1)
        fall_silent(database, dead)
        make_holder().claim(most=0)


def test_the_third_worker_that_dies_of_a_question_ends_it(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question = people.ask(people.make_chat())
    die(database, make_holder, 3)
    reply = reply_of(database, question)
    assert (reply["status"], reply["error_code"]) == ("failed", "internal")
    assert (queued(database, question), ledger(database, question)) == (None, [])


def test_what_two_workers_died_of_is_claimed_alone_and_by_a_worker_that_holds_nothing(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    deadly = people.ask(people.make_chat())
    die(database, make_holder, 2)
    others = {str(people.ask(people.make_chat())) for _ in range(3)}
    busy, free = make_holder(), make_holder()

    assert ids(busy.claim()) == others
    assert busy.claim() == []
    assert ids(free.claim()) == {str(deadly)}
    people.ask(people.make_chat())
    assert free.claim() == [], "it takes no other question into the same danger"


def test_two_deadly_questions_are_never_held_by_one_worker(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    deadly = {str(people.ask(people.make_chat())) for _ in range(2)}
    database.execute("update private.reply_queue set deaths = 2")
    one, two = make_holder().claim(), make_holder().claim()
    assert (len(one), len(two)) == (1, 1)
    assert ids(one) | ids(two) == deadly


def test_a_deadly_question_that_comes_first_is_claimed_without_those_behind_it(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    deadly = people.ask(people.make_chat())
    others = {str(people.ask(people.make_chat())) for _ in range(2)}
    database.execute("update private.reply_queue set deaths = 2, place = -1 where message_id = %s", [deadly])
    assert ids(make_holder().claim()) == {str(deadly)}
    assert ids(make_holder().claim()) == others


def test_deadly_questions_take_no_place_of_others(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    """A worker that holds something may not claim them; they must not hide from it what it may claim."""
    for _ in range(3):
        people.ask(people.make_chat())
    database.execute("update private.reply_queue set deaths = 2, place = -1")
    busy = make_holder()
    busy.register()
    database.execute("update private.reply_queue set due_at = now() + interval '1 hour'")
    people.ask(people.make_chat())
    assert len(busy.claim()) == 1
    database.execute("update private.reply_queue set due_at = now() where deaths = 2")
    innocent = people.ask(people.make_chat())
    assert ids(busy.claim(most=1)) == {str(innocent)}


def test_innocent_questions_survive_the_deaths_beside_them(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    """Two workers die with everything they hold. From then on each question is claimed alone, and one kills again."""
    deadly = people.ask(people.make_chat())
    innocent = [people.ask(people.make_chat()) for _ in range(4)]
    for _ in range(2):
        dead = make_holder()
        assert len(dead.claim()) == 5
        fall_silent(database, dead)
        make_holder().claim(most=0)
    while claimed := (alone := make_holder()).claim():
        assert len(claimed) == 1
        if claimed[0]["message_id"] == str(deadly):
            fall_silent(database, alone)
            make_holder().claim(most=0)
        else:
            assert alone.complete(claimed[0]) is True
    assert reply_of(database, deadly)["error_code"] == "internal"
    assert {status_of(database, question) for question in innocent} == {"completed"}


def test_release_giving_back_and_beats_are_no_deaths(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question = people.ask(people.make_chat())
    for _ in range(4):
        worker = make_holder()
        (claimed,) = worker.claim()
        worker.give_back(claimed)
        assert len(worker.claim()) == 1
        worker.beat(known=worker.claims)
        assert len(worker.claim()) == 1
        worker.release()
    assert deaths_of(database, question) == 0
