"""The reconciler mends what contradicts itself, planted with all triggers off, and touches nothing else."""

import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import MakeHolder
from tests.support.people import Chat, People
from tests.support.reconciler import contradictions, mended
from tests.support.side_by_side import (
    drafts,
    hurry,
    ids,
    ledger,
    planted,
    queued,
    uncommitted,
)
from tests.support.waiting import wait_for
from worker.local.stack import Stack

pytestmark = pytest.mark.usefixtures("quiet")


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
