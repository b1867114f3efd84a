"""Workers that were not heard for a life, or have just started."""

import time

import pytest

from tests.support.database import Connection
from tests.support.holder import Holder, MakeHolder
from tests.support.people import People
from tests.support.side_by_side import (
    answers,
    beat_late,
    drafts,
    fall_silent,
    ids,
    is_registered,
    reply_of,
    status_of,
)

pytestmark = pytest.mark.usefixtures("quiet")

MODEL = {"model": "gemini-test"}


def test_a_worker_that_was_stopped_for_two_lives_is_told_so_and_writes_nothing(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, stopped, heir = people.ask(people.make_chat()), make_holder(), make_holder()
    (claimed,) = stopped.claim()
    fall_silent(database, stopped)
    (inherited,) = heir.claim()

    assert beat_late(stopped, claimed | MODEL)["alive"] is False
    assert stopped.claim_numbered(2) == {"alive": False, "replies": [], "next_due_in_ms": None, "refused": {}}
    assert stopped.save_draft(claimed, "So far") is None
    assert stopped.give_back(claimed) == 0
    assert stopped.next_attempt(claimed) is None
    assert stopped.fail(claimed, retry_in=0) is False
    assert stopped.complete(claimed) is False
    assert stopped.release() == 0
    assert (answers(database, question), drafts(database, question)) == ([], 0)
    assert (status_of(database, question), reply_of(database, question)["attempt"]) == ("answering", 2)
    assert heir.complete(inherited) is True


def test_after_a_silence_of_all_the_first_worker_back_buries_nobody(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    questions = [people.ask(people.make_chat()) for _ in range(3)]
    workers = [make_holder() for _ in range(3)]
    held = [worker.claim(most=1) for worker in workers]
    fall_silent(database, *workers)

    answer = workers[0].claim_all()
    assert answer["replies"] == []
    # It may bury them when it has been heard for a whole life: not before, and no later.
    assert 10_000 < answer["next_due_in_ms"] <= 15_000
    for worker, (claimed,) in zip(workers[1:], held[1:], strict=True):
        assert worker.beat(claimed, known=1)["replies"][0]["held"]
    assert [worker.complete(claimed) for worker, (claimed,) in zip(workers, held, strict=True)] == [True] * 3
    assert {status_of(database, question) for question in questions} == {"completed"}


def test_who_was_heard_again_for_a_whole_life_buries_those_who_were_not(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, dead, back = people.ask(people.make_chat()), make_holder(), make_holder()
    dead.claim()
    back.register(lease=1.0)
    fall_silent(database, dead, back)
    assert back.claim(lease=1.0) == []
    deadline = time.monotonic() + 20
    while not (claimed := back.claim(lease=1.0)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ids(claimed) == {str(question)}


def test_a_worker_that_has_just_started_buries_nobody_for_a_life(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    people.ask(people.make_chat())
    dead = make_holder()
    dead.claim()
    fall_silent(database, dead)
    with Holder(database_url, is_new=True) as new:
        assert new.claim() == []
    assert is_registered(database, dead)
