"""A burial beside a beat, a settle or another burial."""

import psycopg
import pytest

from tests.support.database import Connection
from tests.support.holder import MakeHolder
from tests.support.people import People
from tests.support.side_by_side import (
    answers,
    beat_late,
    deaths_of,
    fall_silent,
    hurry,
    ids,
    is_registered,
    open_work,
    place_of,
    status_of,
    uncommitted,
)

pytestmark = pytest.mark.usefixtures("quiet")


def test_a_beat_before_the_burial_keeps_what_its_worker_holds(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, late, gravedigger = people.ask(people.make_chat()), make_holder(), make_holder()
    (claimed,) = late.claim()
    gravedigger.register()
    hurry(gravedigger)
    fall_silent(database, late)
    with uncommitted(late):
        beat = beat_late(late, claimed)
        assert beat["replies"][0]["held"]
        assert gravedigger.claim() == []
    assert place_of(database, question)["worker_id"] == late.id
    assert gravedigger.claim() == []
    assert late.complete(claimed) is True


def test_a_beat_during_the_burial_is_asked_again_and_then_told_that_all_is_lost(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    people.ask(people.make_chat())
    late, gravedigger = make_holder(), make_holder()
    (claimed,) = late.claim()
    gravedigger.register()
    fall_silent(database, late)
    hurry(late)
    with uncommitted(gravedigger):
        assert len(gravedigger.claim()) == 1
        with pytest.raises(psycopg.errors.LockNotAvailable):
            beat_late(late, claimed)
    assert beat_late(late, claimed)["alive"] is False
    assert late.complete(claimed) is False


def test_a_burial_that_is_rolled_back_has_taken_nothing(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    people.ask(people.make_chat())
    late, gravedigger = make_holder(), make_holder()
    (claimed,) = late.claim()
    gravedigger.register()
    fall_silent(database, late)
    with uncommitted(gravedigger) as connection:
        gravedigger.claim()
        connection.rollback()
    assert beat_late(late, claimed)["replies"][0]["held"]
    assert late.complete(claimed) is True


def test_two_burials_at_once_count_one_death(people: People, database: Connection, make_holder: MakeHolder) -> None:
    question, dead, one, two = people.ask(people.make_chat()), make_holder(), make_holder(), make_holder()
    dead.claim()
    one.register()
    two.register()
    hurry(two)
    fall_silent(database, dead)
    with uncommitted(one):
        one.claim(most=0)
        assert two.claim() == []
    assert deaths_of(database, question) == 1


def test_a_burial_that_is_not_finished_lets_nobody_come_back(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    """One row of two is locked by somebody else: the worker's row stays, and bears that it is dead."""
    locked, question = people.ask(people.make_chat()), people.ask(people.make_chat())
    late, gravedigger = make_holder(), make_holder()
    claimed = late.claim()
    fall_silent(database, late)
    with open_work(database_url) as operator:
        operator.execute("select from private.reply_queue where message_id = %s for update", [locked])
        assert ids(gravedigger.claim()) == {str(question)}
        assert late.beat(*claimed, known=1)["alive"] is False
        assert late.claim_numbered(2)["alive"] is False
    assert late.beat(*claimed, known=1)["alive"] is False
    assert ids(gravedigger.claim()) == {str(locked)}
    assert not is_registered(database, late)


def test_what_a_release_could_not_free_is_freed_by_a_burial_and_no_death(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    question, leaving, gravedigger = people.ask(people.make_chat()), make_holder(), make_holder()
    leaving.claim()
    with open_work(database_url) as operator:
        operator.execute("select from private.reply_queue where message_id = %s for update", [question])
        assert leaving.release() == 0
    gravedigger.claim(most=0)
    assert (status_of(database, question), deaths_of(database, question)) == ("pending", 0)
    assert not is_registered(database, leaving)


def test_a_settle_before_the_burial_is_kept(people: People, database: Connection, make_holder: MakeHolder) -> None:
    question, late, gravedigger = people.ask(people.make_chat()), make_holder(), make_holder()
    (claimed,) = late.claim()
    gravedigger.register()
    hurry(gravedigger)
    fall_silent(database, late)
    with uncommitted(late):
        assert late.complete(claimed, "In time.") is True
        assert gravedigger.claim() == []
    assert gravedigger.claim() == []
    assert [answer["content"] for answer in answers(database, question)] == ["In time."]
    assert status_of(database, question) == "completed"
