"""A row that raises is set aside or settled, and the replies of others go on."""

import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import MakeHolder
from tests.support.people import People
from tests.support.side_by_side import (
    fall_silent,
    hurry,
    ids,
    open_work,
    poison,
    queued,
    reply_of,
    status_of,
)
from worker.local.stack import Stack

pytestmark = pytest.mark.usefixtures("quiet")


OF_THE_ROW = ["P0001", "22012", "23514", "54000", "XX000"]
PASSING = ["40P01", "55P03", "53100"]


@pytest.mark.parametrize("error", OF_THE_ROW)
def test_a_row_that_raises_is_settled_and_the_others_are_claimed(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, error: str
) -> None:
    chat = people.make_chat()
    poisoned = people.ask(chat)
    others = [people.ask(people.make_chat()) for _ in range(3)]
    with poison(stack, "public.external_api_call_logs", "before insert", chat.session, error):
        answer = make_holder().claim_all()
        assert ids(answer["replies"]) == {str(other) for other in others}
        assert answer["refused"] == {"settled": 1}
    assert (reply_of(database, poisoned)["status"], reply_of(database, poisoned)["error_code"]) == (
        "failed",
        "internal",
    )
    assert queued(database, poisoned) is None


def test_the_next_question_of_a_chat_is_answered_after_one_that_raised(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder
) -> None:
    worker, chat = make_holder(), people.make_chat()
    people.ask(chat)
    following = people.ask(chat)
    with poison(stack, "public.external_api_call_logs", "before insert", chat.session, "22012"):
        assert worker.claim_all()["next_due_in_ms"] == 0
    assert ids(worker.claim()) == {str(following)}


@pytest.mark.parametrize("error", OF_THE_ROW)
def test_a_row_that_cannot_even_be_settled_is_set_aside_for_five_minutes(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, error: str
) -> None:
    chat = people.make_chat()
    poisoned = people.ask(chat)
    other = people.ask(people.make_chat())
    before = one_row(database.execute("select set_aside from private.reconciler"))["set_aside"]
    with poison(stack, "public.chat_replies", "before update", chat.session, error):
        answer = make_holder().claim_all()
        assert ids(answer["replies"]) == {str(other)}
        assert answer["refused"] == {"set_aside": 1}
        assert status_of(database, poisoned) == "pending"
        put_off = one_row(
            database.execute(
                "select due_at - now() as away from private.reply_queue where message_id = %s", [poisoned]
            )
        )
        assert 290 < put_off["away"].total_seconds() <= 300
    assert one_row(database.execute("select set_aside from private.reconciler"))["set_aside"] == before + 1


@pytest.mark.parametrize("error", PASSING)
def test_a_trouble_that_passes_leaves_its_row_as_it_was(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, error: str
) -> None:
    chat, worker = people.make_chat(), make_holder()
    poisoned = people.ask(chat)
    other = people.ask(people.make_chat())
    before = queued(database, poisoned)
    with poison(stack, "public.chat_replies", "before update", chat.session, error):
        answer = worker.claim_all()
        assert ids(answer["replies"]) == {str(other)}
        assert answer["refused"] == {"left": 1}
        assert answer["next_due_in_ms"] <= 1000
    assert queued(database, poisoned) == before
    assert ids(worker.claim()) == {str(poisoned)}


@pytest.mark.parametrize("error", ["P0001", "55P03"])
def test_a_worker_with_one_place_passes_by_a_row_that_raises(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, error: str
) -> None:
    """The row that raises is the first one; whoever looks at no other claims nothing, for as long as it raises."""
    chat = people.make_chat()
    people.ask(chat)
    other = people.ask(people.make_chat())
    with poison(stack, "public.chat_replies", "before update", chat.session, error):
        assert ids(make_holder().claim(most=1)) == {str(other)}


@pytest.mark.parametrize("error", ["P0001", "XX000"])
def test_a_claim_that_cannot_be_freed_is_set_aside_and_the_others_go_back(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder, error: str
) -> None:
    chat = people.make_chat()
    poisoned, other = people.ask(chat), people.ask(people.make_chat())
    worker = make_holder()
    assert len(worker.claim()) == 2
    with poison(stack, "public.chat_replies", "before update", chat.session, error):
        assert worker.beat(known=worker.claims)["alive"]
    assert status_of(database, other) == "pending"
    held = queued(database, poisoned)
    assert held is not None
    assert held["worker_id"] is None


def test_a_row_that_raises_does_not_keep_a_burial_or_a_release_from_the_others(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder
) -> None:
    chat, dead, gravedigger = people.make_chat(), make_holder(), make_holder()
    people.ask(chat)
    other = people.ask(people.make_chat())
    assert len(dead.claim()) == 2
    fall_silent(database, dead)
    with poison(stack, "public.chat_replies", "before update", chat.session, "P0001"):
        assert ids(gravedigger.claim()) == {str(other)}
        assert gravedigger.release() == 1
    assert status_of(database, other) == "pending"


def test_a_row_that_raises_does_not_keep_the_reconciler_from_the_others(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder
) -> None:
    chat, worker = people.make_chat(), make_holder()
    poisoned, other = people.ask(chat), people.ask(people.make_chat())
    with poison(stack, "public.chat_replies", "before update", chat.session, "P0001"):
        database.execute("update private.reply_queue set waiting_since = now() - interval '1 hour'")
        ended = worker.reconcile()
        assert ended is not None
        assert ended["ended"] == 1
    assert reply_of(database, other)["error_code"] == "waited_too_long"
    assert status_of(database, poisoned) == "pending"


def test_a_reply_that_raises_does_not_stop_the_mending_of_others(
    people: People, database: Connection, stack: Stack, make_holder: MakeHolder
) -> None:
    worker, chats = make_holder(), [people.make_chat() for _ in range(2)]
    lost = [people.ask(chat) for chat in chats]
    database.execute("delete from private.reply_queue")
    with poison(stack, "private.reply_queue", "before insert", chats[0].session, "P0001"):
        mended = worker.reconcile()
        assert mended is not None
        assert mended["mended"] == 1
    assert queued(database, lost[1]) is not None


def test_setting_aside_waits_for_nobody_who_holds_the_count(
    people: People, database: Connection, stack: Stack, database_url: str, make_holder: MakeHolder
) -> None:
    chat, worker = people.make_chat(), make_holder()
    people.ask(chat)
    other = people.ask(people.make_chat())
    worker.register()
    hurry(worker)
    with (
        poison(stack, "public.chat_replies", "before update", chat.session, "P0001"),
        open_work(database_url) as operator,
    ):
        operator.execute("update private.reconciler set mended = 0")
        assert ids(worker.claim()) == {str(other)}
