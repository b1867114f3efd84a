"""What counts as spent, on which day and in which month."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.database import Connection
from tests.support.holder import CALL, Holder
from tests.support.people import People
from tests.support.spend_cap import ask, assert_refused, cap_of, change, forget, measure

UNPRICED = {**CALL, "cost_usd": None}


@pytest.mark.parametrize("reason", ["spend_cap_day", "spend_cap_month"])
def test_the_cap_is_reached_by_what_the_ledger_says(
    people: People, database: Connection, make_holder: Callable[[], Holder], reason: str
) -> None:
    worker, chat = make_holder(), people.make_chat()
    change(database, **{cap_of(reason): 0.25})
    for cost in (0.2, 0.05):
        measure(people)
        forget(database)  # some seconds pass
        assert ask(people, chat).status_code == 201
        (reply,) = worker.claim()
        worker.complete(reply, call={**CALL, "cost_usd": cost})
    spend = measure(people)

    assert (spend["refuses"], spend["usd_today"], spend["usd_this_month"]) == (reason, 0.25, 0.25)
    now = datetime.now(UTC)
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
    ends_at = {
        "spend_cap_day": midnight + timedelta(days=1),
        "spend_cap_month": (midnight.replace(day=1) + timedelta(days=32)).replace(day=1),
    }[reason]
    refused = ask(people, chat)
    assert datetime.fromisoformat(assert_refused(refused, reason)["resets_at"]) == ends_at
    left = (ends_at - now).total_seconds()
    assert left - 60 <= int(refused.headers["retry-after"]) <= left + 1
    change(database, **{cap_of(reason): 0.26})
    assert ask(people, chat).status_code == 201, "a higher cap holds at once"


def test_what_nobody_can_price_counts_as_estimated(
    people: People, make_holder: Callable[[], Holder], database: Connection
) -> None:
    """A model without a price, or calls that are lost, must not be a way past the cap."""
    worker = make_holder()
    people.ask(people.make_chat())
    people.ask(people.make_chat())
    first, second = worker.claim()
    worker.complete(first, call=UNPRICED)
    assert measure(people)["usd_today"] == 0.02
    forget(database)
    # Where answers are dearer than that, it counts as one of them.
    worker.complete(second, call={**CALL, "cost_usd": 0.5})
    assert measure(people)["usd_today"] == 1.0


def test_what_failed_and_what_was_lost_was_spent_too(
    people: People, make_holder: Callable[[], Holder], database: Connection
) -> None:
    worker = make_holder()
    for _ in range(2):
        people.ask(people.make_chat())
    failed, lost = worker.claim()
    worker.fail(failed, "empty_reply", call={**CALL, "cost_usd": 0.3})
    worker.beat({**lost, "model": "gemini-test"})
    worker.release()
    assert measure(people)["usd_today"] == pytest.approx(0.32)


def test_entries_and_sums_say_the_same(
    people: People, make_holder: Callable[[], Holder], database: Connection
) -> None:
    worker = make_holder()
    for _ in range(3):
        people.ask(people.make_chat())
    for reply, cost in zip(worker.claim(), (0.1, 0.2, None), strict=True):
        worker.complete(reply, call={**CALL, "cost_usd": cost})
    before = measure(people)["usd_this_month"]
    assert before == pytest.approx(0.3 + 0.15)
    worker.reconcile()
    forget(database)
    assert measure(people)["usd_this_month"] == before


@pytest.mark.parametrize(
    ("moment", "of_day", "of_month"),
    [
        ("2026-02-28T23:59:59Z", 2, 5),
        ("2026-03-01T01:59:59+02:00", 2, 5),
        ("2026-03-01T00:00:00Z", 0, 0),
        ("2026-02-28T00:00:00Z", 2, 5),
    ],
)
def test_days_and_months_are_those_of_utc(database: Connection, moment: str, of_day: float, of_month: float) -> None:
    database.execute("update private.spend set day = '2026-02-28', usd_of_day = 2, usd_of_month = 5")
    with database.transaction():
        database.execute("set local time zone 'Pacific/Auckland'")
        row = database.execute("select * from private.spent_by(%s)", [moment]).fetchone()
    assert row == {"usd_of_day": of_day, "usd_of_month": of_month}


def test_a_new_day_has_the_month_behind_it(database: Connection) -> None:
    database.execute("update private.spend set day = '2026-02-27', usd_of_day = 2, usd_of_month = 5")
    row = database.execute("select * from private.spent_by('2026-02-28T00:00:00Z')").fetchone()
    assert row == {"usd_of_day": 0, "usd_of_month": 5}


@pytest.mark.parametrize(
    ("cap", "moment", "resets_at"),
    [
        ("day", "2026-03-28T22:30:00Z", "2026-03-29T00:00:00Z"),
        ("day", "2026-03-29T12:00:00Z", "2026-03-30T00:00:00Z"),
        ("month", "2026-03-28T22:30:00Z", "2026-04-01T00:00:00Z"),
        ("month", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
    ],
)
def test_it_ends_with_the_day_or_the_month_of_utc_whatever_the_clocks_change(
    database: Connection, cap: str, moment: str, resets_at: str
) -> None:
    change(database, **{f"spend_cap_usd_per_{cap}": 0})
    with database.transaction():
        database.execute("set local time zone 'Europe/Berlin'")
        row = database.execute("select * from private.project_refusal(%s)", [moment]).fetchone()
    assert row == {"reason": f"spend_cap_{cap}", "resets_at": datetime.fromisoformat(resets_at)}
