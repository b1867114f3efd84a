"""When it is added up, and who is told."""

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg

from tests.support.database import Connection
from tests.support.holder import CALL, Holder
from tests.support.people import People
from tests.support.spend_cap import ask, change, measure


def test_a_question_waits_neither_for_who_adds_up_nor_for_who_edits_the_settings(
    people: People, database_url: str
) -> None:
    chat = people.make_chat()
    with psycopg.connect(database_url) as busy:
        busy.execute("select from private.spend for update")
        busy.execute("update public.chat_settings set paused = true")
        assert ask(people, chat).status_code == 201
        # And who adds up does not wait for another who does.
        assert measure(people)["refuses"] is None
        busy.rollback()


def test_it_is_added_up_every_few_seconds_however_many_ask(
    people: People, make_holder: Callable[[], Holder], database: Connection
) -> None:
    worker = make_holder()
    measured_at = measure(people)["measured_at"]
    people.ask(people.make_chat())
    (reply,) = worker.claim()
    worker.complete(reply, call={**CALL, "cost_usd": 0.3})

    def age(seconds: float) -> None:
        database.execute("update private.spend set measured_at = now() - make_interval(secs => %s)", [seconds])

    age(2)
    assert measure(people)["usd_today"] == 0
    age(5)
    assert measure(people)["usd_today"] == 0.3
    age(-3600)  # the clock was set back
    assert measure(people)["measured_at"] > measured_at


def test_where_no_worker_measures_the_reconciler_does(
    people: People, make_holder: Callable[[], Holder], database: Connection
) -> None:
    worker = make_holder()
    people.ask(people.make_chat())
    (reply,) = worker.claim()
    worker.complete(reply, call={**CALL, "cost_usd": 0.3})
    worker.reconcile()
    row = database.execute("select usd_of_day from private.spent_by(now())").fetchone()
    assert row is not None
    assert float(row["usd_of_day"]) == 0.3


def test_refusals_are_counted_though_their_transactions_are_undone(people: People, database: Connection) -> None:
    before = measure(people)["refused"]
    chat = people.make_chat()
    change(database, paused=True)
    for _ in range(3):
        assert ask(people, chat).status_code == 429
    change(database, paused=False, spend_cap_usd_per_month=0)
    assert ask(people, chat).status_code == 429
    assert measure(people)["refused"] == {
        **before,
        "paused": before["paused"] + 3,
        "spend_cap_month": before["spend_cap_month"] + 1,
    }


def test_pages_are_told_before_it_hurts(people: People, database: Connection) -> None:
    reader = people.signed_in(people.make_user())

    def told() -> tuple[bool, str | None, bool]:
        [row] = reader.get("/chat_service").json()
        return row["paused"], row["paused_until"], row["answering"]

    assert told() == (False, None, False)
    change(database, paused=True)
    assert told() == (True, None, False)
    change(database, paused=False, spend_cap_usd_per_day=0)
    is_paused, until, _ = told()
    assert is_paused
    assert until is not None
    assert datetime.fromisoformat(until) > datetime.now(UTC)


def test_the_operator_is_told(people: People, database: Connection) -> None:
    change(database, paused=True, spend_cap_usd_per_day=5)
    spend = measure(people)
    assert (spend["paused"], spend["refuses"], spend["cap_usd_per_day"]) == (True, "paused", 5)
    assert spend["cap_usd_per_month"] is None
    service = people.service()
    facts = service.post("/rpc/check_installation", json={"relations": [], "functions": []}).json()
    assert facts["spend"] == service.post("/rpc/ops_report").json()["spend"] == spend
