"""Days are those of the user's time zone."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.support import limits
from tests.support.holder import CALL, Holder
from tests.support.people import Chat, People
from tests.support.quotas import HELD, ask, refusal, tokens

pytestmark = pytest.mark.usefixtures("quiet")

MakeHolder = Callable[[], Holder]


@pytest.mark.parametrize(
    ("zone", "at", "ends_at"),
    [
        ("UTC", "2026-11-27T23:59:59Z", "2026-11-28T00:00:00Z"),
        # 23 hours, 25 hours, and the days after them.
        ("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"),
        ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"),
        ("America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        ("America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        ("Pacific/Kiritimati", "2026-11-27T09:59:59Z", "2026-11-27T10:00:00Z"),
        ("Asia/Kathmandu", "2026-11-27T18:15:00Z", "2026-11-28T18:15:00Z"),
    ],
)
def test_a_day_ends_at_midnight_of_its_zone_however_long_it_was(
    database: Any, zone: str, at: str, ends_at: str
) -> None:
    row = database.execute("select private.end_of_day(%s, %s::timestamptz) as it", [zone, at]).fetchone()
    assert row["it"] == datetime.fromisoformat(ends_at)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "Europe/Berlin"])
def test_days_are_those_of_the_user(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder, zone: str
) -> None:
    limits.put_on(database, chat.user, questions_per_day=1, tokens_per_day=1_000_000)
    limits.live_in(database, chat.user, zone)
    assert ask(owner, chat).status_code == 201
    said = refusal(ask(owner, chat))
    row = database.execute("select (now() at time zone %s)::date as today", [zone]).fetchone()
    ends = database.execute("select %s::timestamptz at time zone %s as at", [said["resets_at"], zone]).fetchone()
    assert ends["at"] == datetime.combine(row["today"] + timedelta(days=1), datetime.min.time())
    worker = make_holder()
    (claimed,) = worker.claim()
    assert tokens(owner) == (0, HELD)
    worker.complete(claimed, call=CALL)
    assert tokens(owner) == (125, 0)


@pytest.mark.parametrize("zone", ["Europe/Berlim", "CEST", "UTC+3", "", "localtime2"])
def test_what_is_no_name_of_a_time_zone_is_refused_with_a_sentence(database: Any, people: People, zone: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="is no name of a time zone"):
        limits.live_in(database, people.make_user(), zone)
