"""What happens when two things happen at once, in both orders: played on two connections, step by step."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import CALL, Holder
from tests.support.people import Chat, People, User
from tests.support.side_by_side import (
    answers,
    as_user,
    beat_late,
    drafts,
    fall_silent,
    hurry,
    ids,
    in_background,
    ledger,
    open_work,
    piece,
    place_of,
    queued,
    reply_of,
    status_of,
    uncommitted,
)

pytestmark = pytest.mark.usefixtures("quiet")

MakeHolder = Callable[[], Holder]
MODEL = {"model": "gemini-test"}


def cancel(database_url: str, user: User, question: UUID) -> str:
    with as_user(database_url, user) as connection:
        row = one_row(connection.execute("select public.cancel_reply(%s)", [question]))
        connection.commit()
        return str(row[0]["status"])


def regenerate(database_url: str, user: User, question: UUID) -> None:
    with as_user(database_url, user) as connection:
        connection.execute("select public.regenerate_reply(%s)", [question])
        connection.commit()


def is_registered(database: Connection, holder: Holder) -> bool:
    return database.execute("select from private.workers where id = %s", [holder.id]).fetchone() is not None


def deaths_of(database: Connection, question: UUID) -> int:
    return int(place_of(database, question)["deaths"])


def die(database: Connection, make_holder: MakeHolder, times: int) -> None:
    """A worker claims, holds nothing else, and is never heard again; as often as that."""
    for _ in range(times):
        dead = make_holder()
        assert dead.claim(most=1)
        fall_silent(database, dead)
        make_holder().claim(most=0)


# Beat and burial.


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


def test_a_settle_after_the_burial_is_too_late_and_its_call_is_kept_as_lost(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, late, heir = people.ask(people.make_chat()), make_holder(), make_holder()
    (claimed,) = late.claim()
    late.beat(claimed | MODEL)
    fall_silent(database, late)
    (inherited,) = heir.claim()
    assert late.complete(claimed, "Too late.") is False
    assert heir.complete(inherited, "In time.") is True
    assert [answer["content"] for answer in answers(database, question)] == ["In time."]
    assert ledger(database, question) == [(1, "lost"), (2, "ok")]


def test_a_call_that_no_beat_has_named_is_in_the_ledger_when_it_comes_too_late(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    chat, late, heir = people.make_chat(), make_holder(), make_holder()
    question = people.ask(chat)
    (claimed,) = late.claim()
    fall_silent(database, late)
    heir.claim()
    assert ledger(database, question) == [(2, "claimed")]
    call = CALL | {"session_id": str(chat.session), "user_id": str(chat.user.id)}
    assert late.fail(claimed, "timed_out", call=call) is False
    assert late.fail(claimed, "timed_out", call=call) is False
    assert ledger(database, question) == [(1, "lost"), (2, "claimed")]


# Numbered claims.


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


# Release.


def test_a_release_waits_for_a_claim_under_way_and_frees_what_it_took(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    worker.register()
    with psycopg.connect(database_url, autocommit=True) as releasing:
        releasing.execute("set role service_role")

        def release() -> dict[str, Any]:
            row = one_row(releasing.execute("select public.release_replies(%s)", [worker.id]))
            return dict(row[0])

        worker.connection.autocommit = False
        assert len(worker.claim_numbered(1)["replies"]) == 1
        with in_background(releasing, release, database) as released:
            worker.connection.commit()
            assert released.result(10) == {"released": 1, "left": 0}
    worker.connection.autocommit = True
    assert (status_of(database, question), is_registered(database, worker)) == ("pending", False)
    assert deaths_of(database, question) == 0


def test_a_claim_of_a_worker_that_was_released_takes_nothing(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    worker.register()
    worker.release()
    assert worker.claim_numbered(1) == {"alive": False, "replies": [], "next_due_in_ms": None, "refused": {}}
    assert worker.beat()["alive"] is False
    assert not is_registered(database, worker)
    assert status_of(database, question) == "pending"


def test_a_claim_during_its_workers_release_takes_nothing(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    worker.register()
    hurry(worker)
    with open_work(database_url) as releasing:
        releasing.execute("set role service_role")
        releasing.execute("select public.release_replies(%s)", [worker.id])
        assert worker.claim_numbered(1)["replies"] == []
        releasing.commit()
    assert status_of(database, question) == "pending"


# Silence.


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


# A question of which workers die.


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


# Stopping, in each of the seven states of a reply under way.


def stopped(database: Connection, question: UUID, with_text: str | None = None) -> bool:
    kept = [answer["content"] for answer in answers(database, question)]
    return (
        status_of(database, question) == "cancelled"
        and queued(database, question) is None
        and drafts(database, question) == 0
        and kept == ([with_text] if with_text else [])
        and all(outcome not in ("claimed", "started") for _, outcome in ledger(database, question))
    )


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.fixture
def question(people: People, chat: Chat) -> UUID:
    return people.ask(chat)


def test_a_pending_reply_is_stopped_at_once(
    database: Connection, database_url: str, chat: Chat, question: UUID
) -> None:
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert stopped(database, question)


def test_a_reply_put_off_after_a_failed_call_is_stopped_at_once(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    worker.fail(claimed, "model_overloaded", retry_in=60)
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert stopped(database, question)


def test_a_reply_that_was_given_back_is_stopped_at_once(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.give_back(claimed, due_in=60)
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert stopped(database, question)


def test_a_reply_whose_worker_lives_is_stopped_by_it_within_a_beat(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    assert cancel(database_url, chat.user, question) == "answering"
    assert worker.beat(claimed, known=1)["replies"][0] == {
        "message_id": str(question),
        "attempt": 1,
        "held": True,
        "cancel_requested": True,
    }
    assert worker.complete(claimed, "So far", "cancelled") is True
    assert stopped(database, question, "So far")


def test_a_reply_whose_worker_is_dead_and_not_buried_is_stopped_at_once_with_its_draft(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    fall_silent(database, worker)
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert stopped(database, question, "So far")
    assert worker.complete(claimed, "All of it") is False
    assert stopped(database, question, "So far")


def bury(holder: Holder, claimed: dict[str, Any], database: Connection, other: Holder) -> None:
    fall_silent(database, holder)
    other.claim(most=0)


FREEING: dict[str, Callable[[Holder, dict[str, Any], Any, Holder], object]] = {
    "given back": lambda holder, claimed, database, other: holder.give_back(claimed),
    "given back for later": lambda holder, claimed, database, other: holder.give_back(claimed, due_in=60),
    "released": lambda holder, claimed, database, other: holder.release(),
    "buried": bury,
    "not held by its worker": lambda holder, claimed, database, other: holder.beat(known=1),
    "failed for now": lambda holder, claimed, database, other: holder.fail(claimed, retry_in=60),
}


@pytest.mark.parametrize("free", FREEING.values(), ids=[name.replace(" ", "-") for name in FREEING])
def test_a_reply_that_was_asked_to_stop_is_stopped_by_whatever_frees_it(
    people: People,
    database: Connection,
    database_url: str,
    make_holder: MakeHolder,
    chat: Chat,
    question: UUID,
    free: Callable[[Holder, dict[str, Any], Any, Holder], object],
) -> None:
    """Nobody has to claim it for that: while no model may be asked, nobody claims."""
    following = people.ask(chat)
    worker, other = make_holder(), make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    assert cancel(database_url, chat.user, question) == "answering"
    free(worker, claimed, database, other)
    assert stopped(database, question, "So far")
    assert queued(database, following) is not None


@pytest.mark.parametrize("free", FREEING.values(), ids=[name.replace(" ", "-") for name in FREEING])
def test_a_reply_that_was_freed_before_its_author_stops_it_is_stopped_at_once(
    database: Connection,
    database_url: str,
    make_holder: MakeHolder,
    chat: Chat,
    question: UUID,
    free: Callable[[Holder, dict[str, Any], Any, Holder], object],
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    free(worker, claimed, database, make_holder())
    assert cancel(database_url, chat.user, question) == "cancelled"
    assert stopped(database, question)


def test_what_was_asked_to_stop_while_its_chat_was_locked_is_stopped_when_it_is_not(
    database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    worker.claim()
    assert cancel(database_url, chat.user, question) == "answering"
    hurry(worker)
    with open_work(database_url) as insert:
        insert.execute("select from public.chat_sessions where id = %s for no key update", [chat.session])
        assert worker.beat(known=1)["alive"]
        assert status_of(database, question) == "answering"
    assert worker.beat(known=1)["alive"]
    assert stopped(database, question)


def test_a_stop_and_a_claim_at_the_same_time_leave_one_of_both(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    worker.register()
    hurry(worker)
    with as_user(database_url, chat.user) as stopping:
        stopping.execute("select public.cancel_reply(%s)", [question])
        assert worker.claim() == []
        stopping.commit()
    assert worker.claim() == []
    assert stopped(database, question)


# Drafts.


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


# Inserts that are held open.


def test_a_question_that_commits_late_is_claimed_then_and_wakes_the_workers_then(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    """Whoever was woken by another question in between has looked in vain: its own wake-up comes with its commit."""
    worker, chat = make_holder(), people.make_chat()
    wakes = "select count(*) from realtime.messages where topic = 'chat:worker' and event = 'wake_up'"
    worker.register()
    with open_work(database_url) as asking:
        asking.execute("insert into public.chat_messages (session_id, content) values (%s, 'Late')", [chat.session])
        other = people.ask(people.make_chat())
        heard = one_row(database.execute(wakes))["count"]
        assert ids(worker.claim()) == {str(other)}
        assert worker.claim() == []
        asking.commit()
    assert one_row(database.execute(wakes))["count"] == heard + 1
    assert len(worker.claim()) == 1


def test_a_settle_waits_a_second_for_a_held_insert_and_succeeds_when_it_is_repeated(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, question: UUID
) -> None:
    worker = make_holder()
    (claimed,) = worker.claim()
    with as_user(database_url, chat.user) as asking:
        asking.execute("insert into public.chat_messages (session_id, content) values (%s, 'Held')", [chat.session])
        for settle in (worker.complete, worker.fail, worker.next_attempt):
            began = time.monotonic()
            with pytest.raises(psycopg.errors.LockNotAvailable):
                settle(claimed)
            assert 0.9 < time.monotonic() - began < 4
        assert beat_late(worker, claimed)["replies"][0]["held"]
        asking.commit()
    assert worker.complete(claimed) is True
    assert worker.complete(claimed) is True, "asked again after a lost answer, it says the same"
    assert len(answers(database, question)) == 1
    assert ledger(database, question) == [(1, "ok")]
    assert len(worker.claim()) == 1, "the held question is the chat's next"


def test_a_held_insert_and_the_answer_before_it_overlook_nothing_in_either_order(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    with psycopg.connect(database_url, autocommit=True) as asking, uncommitted(worker):
        assert worker.complete(claimed) is True
        with in_background(
            asking,
            lambda: asking.execute(
                "insert into public.chat_messages (session_id, content) values (%s, 'Meanwhile')", [chat.session]
            ),
            database,
        ) as asked:
            worker.connection.commit()
            asked.result(10)
    assert [reply["question"] for reply in worker.claim()] == ["Meanwhile"]
