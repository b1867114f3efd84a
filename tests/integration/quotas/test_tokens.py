"""Tokens: what unfinished replies hold, and what calls have spent."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support import limits
from tests.support.holder import Holder
from tests.support.people import Chat, People
from tests.support.quotas import ESTIMATED, HELD, UNTOLD, ask, ends_with_its_period, refusal, tokens, usage
from tests.support.side_by_side import as_user, hurry

pytestmark = pytest.mark.usefixtures("quiet")

MakeHolder = Callable[[], Holder]

ASK = "insert into public.chat_messages (session_id, content) values (%s, 'Why?')"


def test_what_unfinished_replies_may_cost_is_held(database: Any, chat: Chat, owner: httpx.Client) -> None:
    limits.put_on(database, chat.user, tokens_per_day=2 * HELD + 10)
    assert ask(owner, chat).status_code == 201
    assert ask(owner, chat).status_code == 201
    said = refusal(ask(owner, chat))
    assert (said["limit"], said["most"], said["used"]) == ("tokens_per_day", 2 * HELD + 10, 2 * HELD)
    assert ends_with_its_period(said["resets_at"], "tokens_per_day")
    assert usage(owner)["tokens_per_day"]["left"] == 10


UNBILLED = {**UNTOLD, "cost_usd": 0}
BROKEN_OFF = {**ESTIMATED, "tokens_debited": 900, "first_token_ms": 5}
OUT_OF_ORDER = {**ESTIMATED, "tokens_debited": 0}
IN_VAIN = {**ESTIMATED, "tokens_debited": 900}


@pytest.mark.parametrize(
    ("close", "spent"),
    [
        (lambda worker, reply: worker.complete(reply), 125),
        (lambda worker, reply: worker.complete(reply, finish_reason="cancelled"), 125),
        (lambda worker, reply: worker.fail(reply, "timed_out"), 125),
        (lambda worker, reply: worker.fail(reply, "timed_out", call=UNTOLD), HELD),
        (lambda worker, reply: worker.fail(reply, "timed_out", call=ESTIMATED), HELD),
        (lambda worker, reply: worker.fail(reply, "model_overloaded", call=UNTOLD), 0),
        (lambda worker, reply: worker.fail(reply, "model_overloaded", call=UNBILLED), 0),
        (lambda worker, reply: worker.fail(reply, "internal", call={}), 0),
        (lambda worker, reply: worker.fail(reply, "truncated", call=BROKEN_OFF), 900),
        (lambda worker, reply: worker.fail(reply, "truncated", call=OUT_OF_ORDER), 0),
        (lambda worker, reply: worker.complete(reply, finish_reason="cancelled", call=BROKEN_OFF), 900),
    ],
    ids=[
        *("ok", "cancelled", "failed", "unknown", "estimated", "refused", "unbilled", "no call"),
        *("broken off", "out of order", "stopped"),
    ],
)
def test_what_a_call_has_used_is_spent_when_it_closes_and_what_was_held_is_free(
    people: People,
    database: Any,
    chat: Chat,
    owner: httpx.Client,
    make_holder: MakeHolder,
    close: Callable[[Holder, dict[str, Any]], object],
    spent: int,
) -> None:
    limits.put_on(database, chat.user, tokens_per_day=1_000_000)
    people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    assert tokens(owner) == (0, HELD)
    close(worker, claimed)
    assert tokens(owner) == (spent, 0)
    database.execute("select private.count_up()")
    assert tokens(owner) == (spent, 0)


def test_a_lost_call_is_spent_as_held_until_its_worker_tells_what_it_used(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    limits.put_on(database, chat.user, tokens_per_day=1_000_000)
    people.ask(chat)
    dead, living = make_holder(), make_holder()
    (lost,) = dead.claim()
    dead.beat({**lost, "model": "gemini-test"})
    database.execute("update private.workers set alive_until = now() where id = %s", [dead.id])
    (again,) = living.claim()
    assert tokens(owner) == (HELD, HELD)
    dead.complete(lost)
    assert tokens(owner) == (125, HELD)
    living.complete(again)
    assert tokens(owner) == (250, 0)
    database.execute("select private.count_up()")
    assert tokens(owner) == (250, 0)


def calls_of(worker: Holder, claimed: dict[str, Any], ends: list[tuple[str, dict[str, Any]]]) -> None:
    """Calls of one claim that each end like this; after the last, the reply has failed."""
    for code, call in ends[:-1]:
        attempt = worker.next_attempt(claimed, code, call=call)
        claimed = {**claimed, "attempt": attempt}
    worker.fail(claimed, *ends[-1][:1], call=ends[-1][1])


@pytest.mark.parametrize(
    ("call", "spent"),
    [(OUT_OF_ORDER, 0), (IN_VAIN, 900), (UNTOLD, HELD), (BROKEN_OFF, 3 * 900)],
    ids=["out of order", "in vain", "untold", "broken off"],
)
def test_an_outage_does_not_use_up_a_day(
    people: People,
    database: Any,
    chat: Chat,
    owner: httpx.Client,
    make_holder: MakeHolder,
    call: dict[str, Any],
    spent: int,
) -> None:
    """Of calls of which nothing was seen, one is debited for each time that an answer was asked for."""
    limits.put_on(database, chat.user, tokens_per_day=1_000_000)
    question, worker = people.ask(chat), make_holder()
    for asked in (1, 2):
        (claimed,) = worker.claim()
        calls_of(worker, claimed, [("timed_out", call)] * 3)
        assert tokens(owner) == (asked * spent, 0)
        database.execute("select private.count_up()")
        assert tokens(owner) == (asked * spent, 0)
        owner.post("/rpc/retry_reply", json={"message_id": str(question)}).raise_for_status()


def test_workers_that_die_of_a_question_are_one_call_to_its_user(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    limits.put_on(database, chat.user, tokens_per_day=1_000_000)
    people.ask(chat)
    lost = []
    for _ in range(2):
        worker = make_holder()
        (claimed,) = worker.claim()
        lost.append((worker, claimed))
        worker.beat({**claimed, "model": "gemini-test"})
        database.execute("update private.workers set alive_until = now() where id = %s", [worker.id])
    worker = make_holder()
    (claimed,) = worker.claim()
    assert tokens(owner) == (HELD, HELD)
    database.execute("update public.chat_settings set tokens_held_per_reply = 1000")
    try:
        for dead, reply in lost:  # they were only slow
            dead.complete(reply)
    finally:
        database.execute("update public.chat_settings set tokens_held_per_reply = %s", [HELD])
    worker.complete(claimed)
    assert tokens(owner) == (3 * 125, 0)


def test_tokens_are_spent_of_the_day_of_asking(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    """A question from before midnight, and its answer from behind it: neither held nor spent today."""
    limits.put_on(database, chat.user, tokens_per_day=HELD)
    question = people.ask(chat)
    database.execute(
        "update public.chat_replies set pending_since = now() - interval '1 day' where message_id = %s", [question]
    )
    worker = make_holder()
    (claimed,) = worker.claim()
    assert tokens(owner) == (0, 0)
    worker.complete(claimed)
    assert tokens(owner) == (0, 0)
    database.execute("select private.count_up()")
    assert tokens(owner) == (0, 0)
    spent = database.execute(
        "select day - (now() at time zone 'UTC')::date as day, tokens from private.usage_spent where user_id = %s",
        [chat.user.id],
    )
    assert spent.fetchall() == [{"day": -1, "tokens": 125}]
    assert ask(owner, chat).status_code == 201


def test_what_was_spent_is_forgotten_after_days_that_no_zone_counts(database: Any) -> None:
    database.execute("truncate private.usage_spent")
    database.execute(
        """insert into private.usage_spent select (now() at time zone 'UTC')::date - n, gen_random_uuid(), 1
        from generate_series(-1, 9) as n"""
    )
    database.execute("select private.count_up()")
    left = database.execute("select count(*) from private.usage_spent").fetchone()
    assert left["count"] == 5


def test_nothing_that_a_user_holds_makes_a_worker_wait(
    people: People, database: Any, chat: Chat, database_url: str, make_holder: MakeHolder
) -> None:
    """An insert, a stop that closes a call: neither has a row that a settle of the same user's would write."""
    limits.put_on(database, chat.user, questions_per_day=10, tokens_per_day=1_000_000)
    other, third = people.make_chat(chat.user), people.make_chat(chat.user)
    stopped, settled = people.ask(chat), people.ask(other)
    worker = make_holder()
    held = {reply["message_id"]: reply for reply in worker.claim()}
    hurry(worker)
    with as_user(database_url, chat.user) as asking, as_user(database_url, chat.user) as stopping:
        asking.execute(ASK, [third.session])
        asking.commit()
        asking.execute(ASK, [third.session])
        assert worker.complete(held[str(settled)]) is True
        asking.rollback()
        database.execute("update private.workers set alive_until = now() where id = %s", [worker.id])
        stopping.execute("select public.cancel_reply(%s)", [stopped])
        database.execute(
            "update private.workers set alive_until = now() + interval '1 min' where id = %s", [worker.id]
        )
        assert [reply["session_id"] for reply in worker.claim()] == [str(third.session)]
        database.execute("select private.count_up()")
