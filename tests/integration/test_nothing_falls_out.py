"""Every unfinished reply has its place in the queue, whatever happens at once; what has none is found and mended."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import Holder
from tests.support.people import Chat, People
from tests.support.side_by_side import (
    as_user,
    drafts,
    fall_silent,
    hurry,
    ids,
    in_background,
    ledger,
    open_work,
    planted,
    queued,
    reply_of,
    status_of,
    uncommitted,
)
from tests.support.waiting import wait_for
from worker.local.stack import Stack

pytestmark = pytest.mark.usefixtures("quiet")

MakeHolder = Callable[[], Holder]

ASK = "insert into public.chat_messages (session_id, content) values (%s, 'The next one')"


@pytest.fixture(autouse=True)
def reconciler_at_rest(database: Connection) -> Iterator[None]:
    at_rest = "update private.reconciler set last_run_at = '-infinity', refuses_questions = false, mended = 0"
    database.execute(at_rest)
    yield
    database.execute(at_rest)


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


def mended(database: Connection) -> int:
    return int(one_row(database.execute("select mended from private.reconciler"))["mended"])


def contradictions(database: Connection) -> list[UUID]:
    return [row["session_id"] for row in database.execute("select session_id from private.contradictions()")]


def refused_as_busy(connection: psycopg.Connection[Any], statement: str, of: UUID) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        connection.execute(statement, [of])
    assert (refusal.value.sqlstate, refusal.value.diag.message_hint) == ("PT429", "busy")


# By hand in the dashboard, while something else happens in the same chat.

TO_PENDING = "update public.chat_replies set status = 'pending' where message_id = %s"
TO_FAILED = "update public.chat_replies set status = 'failed' where message_id = %s"
DELETE = "delete from public.chat_messages where id = %s"


def test_set_to_pending_by_hand_while_another_reply_of_the_chat_is_completed(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    failed, answered = people.ask(chat), people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.fail(claimed)
    (claimed,) = worker.claim()
    with uncommitted(worker):
        assert worker.complete(claimed) is True
        refused_as_busy(database, TO_PENDING, failed)
    database.execute(TO_PENDING, [failed])
    assert status_of(database, answered) == "completed"
    assert ids(worker.claim()) == {str(failed)}


def test_set_to_pending_by_hand_before_another_reply_of_the_chat_is_completed(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    failed = people.ask(chat)
    people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.fail(claimed)
    (claimed,) = worker.claim()
    with open_work(database_url) as operator:
        operator.execute(TO_PENDING, [failed])
        with in_background(worker.connection, lambda: worker.complete(claimed), database) as completed:
            operator.commit()
            assert completed.result(10) is True
    assert ids(worker.claim()) == {str(failed)}


def test_a_message_in_flight_that_is_deleted_by_hand_lets_the_next_one_follow(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    first, following = people.ask(chat), people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.beat(claimed | {"model": "gemini-test"})
    database.execute(DELETE, [first])
    assert worker.complete(claimed) is False
    assert ledger(database, first) == [(1, "lost")]
    assert ids(worker.claim()) == {str(following)}


def test_the_deletion_by_hand_of_a_message_waits_for_its_settle(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    first, following = people.ask(chat), people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    with psycopg.connect(database_url, autocommit=True) as operator, uncommitted(worker):
        worker.complete(claimed)
        with in_background(operator, lambda: operator.execute(DELETE, [first]), database) as deleted:
            worker.connection.commit()
            deleted.result(10)
    assert ids(worker.claim()) == {str(following)}


def test_a_settle_waits_for_the_deletion_by_hand_of_its_message(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    first, following = people.ask(chat), people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    with open_work(database_url) as operator:
        operator.execute(DELETE, [first])
        with in_background(worker.connection, lambda: worker.complete(claimed), database) as completed:
            operator.commit()
            assert completed.result(10) is False
    assert ids(worker.claim()) == {str(following)}


def test_set_to_failed_by_hand_while_the_owner_asks(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    first = people.ask(chat)
    with as_user(database_url, chat.user) as asking:
        asking.execute(ASK, [chat.session])
        refused_as_busy(database, TO_FAILED, first)
        asking.commit()
    database.execute(TO_FAILED, [first])
    assert [reply["question"] for reply in make_holder().claim()] == ["The next one"]


def test_asked_while_the_reply_before_is_set_to_failed_by_hand(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    first = people.ask(chat)
    with as_user(database_url, chat.user) as asking, open_work(database_url) as operator:
        operator.execute(TO_FAILED, [first])
        refused_as_busy(asking, ASK, chat.session)
        asking.rollback()
        operator.commit()
        asking.execute(ASK, [chat.session])
        asking.commit()
    assert [reply["question"] for reply in make_holder().claim()] == ["The next one"]


def test_what_is_asked_and_changed_by_hand_at_random_leaves_no_reply_without_a_place(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    """Three chats, for two seconds: owners ask, a worker settles, an operator sets and deletes what there is."""
    chats = [people.make_chat() for _ in range(3)]
    until = time.monotonic() + 2
    passing = ("PT429", "PT409", "40P01", "55P03")

    def repeat(statement: str) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            while time.monotonic() < until:
                try:
                    connection.execute(statement)
                except psycopg.Error as error:
                    assert error.sqlstate in passing, error

    def answer() -> None:
        worker, turn = make_holder(), 0
        while time.monotonic() < until:
            for reply in worker.claim():
                turn += 1
                try:
                    (worker.complete, worker.fail, worker.give_back)[turn % 3](reply)
                except psycopg.Error as error:
                    assert error.sqlstate in passing, error
            worker.beat(known=worker.claims)

    one = "where message_id = (select r.message_id from public.chat_replies r {} order by random() limit 1)"
    statements = [
        *(
            f"insert into public.chat_messages (session_id, content) values ('{chat.session}', 'Why?')"
            for chat in chats
        ),
        "update public.chat_replies set status = 'pending' " + one.format("where r.status = 'failed'"),
        "update public.chat_replies set status = 'failed' " + one.format("where r.status <> 'failed'"),
        "delete from public.chat_messages m where m.id = (select r.message_id from public.chat_replies r"
        " order by random() limit 1)",
    ]
    with ThreadPoolExecutor(len(statements) + 1) as threads:
        running = [threads.submit(repeat, statement) for statement in statements]
        running.append(threads.submit(answer))
        for each in running:
            each.result()
    assert contradictions(database) == []


# The reconciler: contradictions, planted with all triggers off.


def plant(stack: Stack, statement: str, *parameters: object) -> None:
    with planted(stack) as superuser:
        superuser.execute(statement, parameters)


def test_a_pending_reply_without_a_place_is_given_one(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, chat: Chat
) -> None:
    question = people.ask(chat)
    plant(stack, "delete from private.reply_queue where message_id = %s", question)
    worker = make_holder()
    assert worker.claim() == []
    assert worker.reconcile() == {"mended": 1, "ended": 0, "more": False}
    assert mended(database) == 1
    assert ids(worker.claim()) == {str(question)}


def test_a_reply_said_to_be_answered_that_no_place_knows_is_answered_afresh(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, chat: Chat
) -> None:
    question, worker = people.ask(chat), make_holder()
    (claimed,) = worker.claim()
    worker.beat(claimed | {"model": "gemini-test"})
    plant(stack, "delete from private.reply_queue where message_id = %s", question)
    assert worker.reconcile() == {"mended": 1, "ended": 0, "more": False}
    assert ledger(database, question) == [(1, "lost")]
    assert worker.complete(claimed) is False
    (again,) = worker.claim()
    assert again["attempt"] == 2


def test_a_place_whose_reply_is_finished_is_taken_away_and_the_next_one_follows(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, chat: Chat
) -> None:
    first, following = people.ask(chat), people.ask(chat)
    plant(stack, "update public.chat_replies set status = 'cancelled' where message_id = %s", first)
    worker = make_holder()
    assert worker.reconcile() == {"mended": 1, "ended": 0, "more": False}
    assert queued(database, first) is None
    assert ids(worker.claim()) == {str(following)}


def test_a_place_held_by_a_worker_that_is_not_known_is_due_again(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, chat: Chat
) -> None:
    question, gone = people.ask(chat), make_holder()
    gone.claim()
    plant(stack, "delete from private.workers where id = %s", gone.id)
    worker = make_holder()
    assert worker.claim() == []
    assert worker.reconcile() == {"mended": 1, "ended": 0, "more": False}
    assert ids(worker.claim()) == {str(question)}


@pytest.mark.parametrize(
    "change",
    [
        "update private.reply_queue set worker_id = null, claim = null, claimed_at = null where message_id = %s",
        "update public.chat_replies set status = 'pending' where message_id = %s",
    ],
    ids=["answering without a worker", "pending with a worker"],
)
def test_a_place_and_a_status_that_contradict_each_other_are_brought_together(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, chat: Chat, change: str
) -> None:
    question, worker = people.ask(chat), make_holder()
    (claimed,) = worker.claim()
    plant(stack, change, question)
    assert worker.reconcile() == {"mended": 1, "ended": 0, "more": False}
    assert contradictions(database) == []
    assert worker.complete(claimed) is False
    (claimed,) = worker.claim()
    assert worker.complete(claimed) is True


def test_one_look_mends_what_is_wrong_in_several_chats(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder
) -> None:
    questions = {str(people.ask(people.make_chat())) for _ in range(5)}
    plant(stack, "delete from private.reply_queue")
    worker = make_holder()
    assert worker.reconcile() == {"mended": 5, "ended": 0, "more": False}
    assert worker.reconcile() == {"mended": 0, "ended": 0, "more": False}
    assert mended(database) == 5
    assert ids(worker.claim()) == questions


@pytest.mark.parametrize("settle", ["complete", "fail", "give_back", "release", "ask", "claim"])
def test_what_is_under_way_is_neither_counted_nor_touched(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat, settle: str
) -> None:
    worker, looking = make_holder(), make_holder()
    people.ask(chat)
    people.ask(chat)
    if settle == "claim":
        worker.register()
    else:
        (claimed,) = worker.claim()
    hurry(looking)
    with uncommitted(worker):
        if settle == "release":
            worker.release()
        elif settle == "claim":
            worker.claim()
        elif settle == "ask":
            worker.connection.execute(
                "insert into public.chat_messages (session_id, content) values (%s, 'A')", [chat.session]
            )
        else:
            getattr(worker, settle)(claimed)
        assert looking.reconcile() == {"mended": 0, "ended": 0, "more": False}
    assert looking.reconcile() == {"mended": 0, "ended": 0, "more": False}
    assert mended(database) == 0


def test_a_settle_that_commits_between_the_two_looks_is_not_counted(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    """By its own old snapshot, a session contradicts itself; by the second look it does not."""
    people.ask(chat)
    assert one_row(database.execute("select private.mend(%s) as mended", [chat.session]))["mended"] is False
    assert mended(database) == 0


def test_it_runs_once_a_period_for_all_workers(make_holder: MakeHolder) -> None:
    one, two = make_holder(), make_holder()
    assert one.reconcile(every=60) is not None
    assert two.reconcile(every=60) is None
    assert one.reconcile(every=60) is None
    assert two.reconcile(every=0) is not None


def test_two_workers_that_look_at_the_same_moment_do_it_once(make_holder: MakeHolder) -> None:
    one, two = make_holder(), make_holder()
    hurry(two)
    with uncommitted(one):
        assert one.reconcile(every=60) is not None
        assert two.reconcile(every=60) is None
    assert two.reconcile(every=60) is None


# Age.


def ended_by(worker: Holder) -> int:
    """How many questions it ended since they had waited for ten minutes."""
    did = worker.reconcile(max_wait=600)
    assert did is not None
    return int(did["ended"])


def age(database: Connection, question: UUID, seconds: float) -> None:
    database.execute(
        """update private.reply_queue set waiting_since = waiting_since - make_interval(secs => %s)
        where message_id = %s""",
        [seconds, question],
    )


def waited(database: Connection, question: UUID) -> float:
    row = one_row(
        database.execute(
            """select extract(epoch from now() - waiting_since)::float8 as s from private.reply_queue
        where message_id = %s""",
            [question],
        )
    )
    return float(row["s"])


def test_what_has_waited_too_long_is_ended_without_any_claim(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    old, following = people.ask(chat), people.ask(chat)
    young = people.ask(people.make_chat())
    age(database, old, 601)
    age(database, young, 590)
    assert make_holder().reconcile(max_wait=600) == {"mended": 0, "ended": 1, "more": False}
    assert (reply_of(database, old)["status"], reply_of(database, old)["error_code"]) == ("failed", "waited_too_long")
    assert {status_of(database, question) for question in (following, young)} == {"pending"}


def test_the_age_of_a_question_begins_when_it_becomes_its_chats_next(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    first, second = people.ask(chat), people.ask(chat)
    age(database, first, 601)
    assert ended_by(make_holder()) == 1
    assert waited(database, second) < 5


def test_the_age_stands_still_while_a_question_is_answered(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    question, worker = people.ask(chat), make_holder()
    age(database, question, 100)
    (claimed,) = worker.claim()
    database.execute("update private.reply_queue set claimed_at = claimed_at - interval '1 hour'")
    age(database, question, 3600)  # it was claimed an hour ago, and had waited 100 s by then
    assert worker.reconcile(max_wait=600) == {"mended": 0, "ended": 0, "more": False}
    worker.beat(claimed, known=1)
    assert worker.give_back(claimed) == 1
    assert 99 < waited(database, question) < 110


@pytest.mark.parametrize("how", ["fail", "bury"])
def test_the_time_for_which_it_was_held_is_no_age_however_it_came_back(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat, how: str
) -> None:
    question, worker = people.ask(chat), make_holder()
    age(database, question, 100)
    (claimed,) = worker.claim()
    database.execute("update private.reply_queue set claimed_at = claimed_at - interval '1 hour'")
    age(database, question, 3600)
    if how == "fail":
        worker.fail(claimed, "model_overloaded", retry_in=0)
    else:
        fall_silent(database, worker)
        make_holder().claim(most=0)
    assert 99 < waited(database, question) < 110


def test_what_was_put_off_grows_old_meanwhile(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    question, worker = people.ask(chat), make_holder()
    worker.give_back(*worker.claim(), due_in=3600)
    age(database, question, 601)
    assert ended_by(worker) == 1
    assert reply_of(database, question)["error_code"] == "waited_too_long"


def test_what_is_retried_by_its_author_begins_a_new_age(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    question = people.ask(chat)
    age(database, question, 601)
    make_holder().reconcile(max_wait=600)
    with as_user(database_url, chat.user) as user:
        user.execute("select public.retry_reply(%s)", [question])
        user.commit()
    assert waited(database, question) < 5


def test_more_than_twenty_old_ones_are_ended_by_asking_again_at_once(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    questions = [people.ask(people.make_chat()) for _ in range(25)]
    for question in questions:
        age(database, question, 601)
    worker = make_holder()
    assert worker.reconcile(max_wait=600, every=60) == {"mended": 0, "ended": 20, "more": True}
    assert worker.reconcile(max_wait=600, every=60) == {"mended": 0, "ended": 5, "more": False}
    assert worker.reconcile(max_wait=600, every=60) is None
    assert {status_of(database, question) for question in questions} == {"failed"}


def test_the_last_in_line_are_ended_first(people: People, database: Connection, make_holder: MakeHolder) -> None:
    user = people.make_user()
    questions = [people.ask(people.make_chat(user)) for _ in range(25)]
    database.execute("update private.reply_queue set waiting_since = waiting_since - interval '601 s'")
    # Rows that were written last are read last: without an order, the first in line would be the first to go.
    make_holder().reconcile(max_wait=600, every=60)
    assert [status_of(database, question) for question in questions] == ["pending"] * 5 + ["failed"] * 20


def test_what_is_old_and_being_settled_is_left_alone(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder, chat: Chat
) -> None:
    question, looking = people.ask(chat), make_holder()
    age(database, question, 601)
    hurry(looking)
    with open_work(database_url) as asking:
        asking.execute(ASK, [chat.session])
        assert ended_by(looking) == 0
        asking.commit()
    assert ended_by(looking) == 1


# The queue is too long.


@pytest.fixture
def answered(database: Connection) -> Callable[[int], None]:
    def answered_in_the_last_minute(count: int) -> None:
        database.execute("delete from public.external_api_call_logs")
        database.execute(
            """insert into public.external_api_call_logs
              (message_id, attempt, session_id, user_id, worker_id, outcome, finished_at)
            select gen_random_uuid(), 1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ok', now()
            from generate_series(1, %s)""",
            [count],
        )

    return answered_in_the_last_minute


def busy_for_a_minute(database: Connection) -> None:
    """The queue was never empty in the last minute."""
    database.execute("update private.reply_queue set waiting_since = waiting_since - interval '61 s'")


def ask_rest(people: People, chat: Chat) -> tuple[int, str | None]:
    sent = people.signed_in(chat.user).post(
        "/chat_messages", json={"session_id": str(chat.session), "content": "Why?"}
    )
    return sent.status_code, sent.json().get("hint") if sent.status_code >= 400 else None


def test_new_questions_are_refused_while_their_turn_would_come_too_late(
    people: People, database: Connection, make_holder: MakeHolder, answered: Callable[[int], None], chat: Chat
) -> None:
    waiting = [people.ask(people.make_chat()) for _ in range(30)]
    worker = make_holder()
    answered(2)  # a minute: the last of thirty comes in fifteen
    busy_for_a_minute(database)
    worker.reconcile(max_wait=600)
    assert ask_rest(people, chat) == (429, "too_many_pending")
    answered(30)
    worker.reconcile(max_wait=600)
    assert ask_rest(people, chat)[0] == 201
    assert {status_of(database, question) for question in waiting} == {"pending"}


def test_a_short_queue_is_never_too_long_and_no_pace_is_known_when_nothing_was_answered(
    people: People, database: Connection, make_holder: MakeHolder, answered: Callable[[int], None], chat: Chat
) -> None:
    for _ in range(20):
        people.ask(people.make_chat())
    worker = make_holder()
    answered(1)
    busy_for_a_minute(database)
    worker.reconcile(max_wait=600)
    assert ask_rest(people, chat)[0] == 201
    people.ask(people.make_chat())
    busy_for_a_minute(database)
    answered(0)
    worker.reconcile(max_wait=600)
    assert ask_rest(people, people.make_chat())[0] == 201


def test_a_crowd_that_comes_after_a_quiet_minute_is_not_refused(
    people: People, make_holder: MakeHolder, answered: Callable[[int], None], chat: Chat
) -> None:
    for _ in range(30):
        people.ask(people.make_chat())
    answered(1)
    make_holder().reconcile(max_wait=600)
    assert ask_rest(people, chat)[0] == 201


def test_a_refusal_ends_when_nobody_looks_any_more(
    people: People, database: Connection, make_holder: MakeHolder, answered: Callable[[int], None], chat: Chat
) -> None:
    database.execute("update private.reconciler set refuses_questions = true, last_run_at = now()")
    assert ask_rest(people, chat) == (429, "too_many_pending")
    database.execute("update private.reconciler set last_run_at = now() - interval '4 min'")
    assert ask_rest(people, chat)[0] == 201


def test_a_reply_set_to_pending_by_hand_while_it_is_answered_begins_afresh(
    people: People, database: Connection, make_holder: MakeHolder, chat: Chat
) -> None:
    question, worker = people.ask(chat), make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    database.execute(TO_PENDING, [question])
    assert (drafts(database, question), ledger(database, question)) == (0, [])
    assert worker.complete(claimed) is False
    (claimed,) = worker.claim()
    assert worker.complete(claimed) is True


def test_a_reply_that_falls_out_leaves_no_draft_behind(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, chat: Chat
) -> None:
    question, worker = people.ask(chat), make_holder()
    (claimed,) = worker.claim()
    worker.save_draft(claimed, "So far")
    plant(stack, "delete from private.reply_queue where message_id = %s", question)
    worker.reconcile()
    assert drafts(database, question) == 0
    wait_for(lambda: worker.claim(), "the reply to be claimed again")
