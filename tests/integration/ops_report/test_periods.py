"""Periods end where they say, and have each of their hours once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import CALL, Holder
from tests.support.people import Chat, People


def test_the_periods_end_where_they_say(
    report: Callable[[], dict[str, Any]], people: People, worker: Holder, database: Connection
) -> None:
    ages = ["1 hour", "2 days", "8 days", "30 days"]
    for age in ages:
        message = people.ask(people.make_chat())
        [reply] = worker.claim()
        assert worker.complete(reply)
        database.execute(
            f"""update private.uncounted_replies set pending_since = now() - interval '{age}'
            where pending_since > now() - interval '1 minute'"""
        )
        database.execute(
            f"update public.external_api_call_logs set started_at = now() - interval '{age}' where message_id = %s",
            [message],
        )

    found = report()
    assert [period["replies"] for period in found["periods"]] == [
        {"asked": 1, "completed": 1},
        {"asked": 2, "completed": 2},
    ]
    assert [period["calls"] for period in found["periods"]] == [{"ok": 1}, {"ok": 2}]
    assert [day["calls"] for day in found["days"]] == [1, 1, 1]


# The older, the slower, so that each hour moves the percentiles.
A_CALL_AND_A_REPLY_IN_EACH_HOUR = """
    with hours as (
      select hour, row_number() over (order by hour desc) as age
      from generate_series(date_trunc('day', now(), 'UTC') - interval '7 days',
        date_trunc('day', now(), 'UTC') + interval '23 hours', interval '1 hour') as hour
    ), failed as (
      insert into private.uncounted_replies (pending_since, user_id, what, error_code)
      select hour, gen_random_uuid(), 'failed', 'internal' from hours
    )
    insert into public.external_api_call_logs
      (message_id, attempt, session_id, user_id, worker_id, outcome, model_requested, first_token_ms, latency_ms,
        started_at)
    select gen_random_uuid(), 1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ok', 'gemini',
      50 * power(1.02, age), 50 * power(1.05, age), hour
    from hours
"""
BY_THE_HOUR = """
    select private.percentiles(array_agg(took.bucket), array_agg(took.first)) as first_token_ms,
      private.percentiles(array_agg(took.bucket), array_agg(took.whole)) as latency_ms
    from (
      select l.bucket, sum(l.first_token_calls)::bigint as first, sum(l.latency_calls)::bigint as whole
      from private.latencies_by_span l
      where l.span = 'hour' and l.starts_at > %(since)s
      group by l.bucket
    ) as took
"""
HOURS = """
    select count(*) from generate_series(date_trunc('hour', %(since)s::timestamptz),
      date_trunc('day', now(), 'UTC') + interval '23 hours', interval '1 hour') as h (hour)
    where h.hour > %(since)s
"""


@pytest.mark.parametrize("added_up", [False, True])
def test_a_period_has_each_of_its_hours_once(database: Connection, worker: Holder, added_up: bool) -> None:
    """Some by their own sums, and those of whole days by the day's."""
    database.execute(A_CALL_AND_A_REPLY_IN_EACH_HOUR)
    if added_up:
        worker.reconcile()
    today = datetime.now(UTC).date()
    for days in (0, 1, 6):
        for time in ("00:00:00", "00:00:01", "00:59:59", "13:00:00", "13:20:00", "22:59:59", "23:10:00"):
            since = {"since": f"{today - timedelta(days)}T{time}Z"}
            expected = one_row(database.execute(HOURS, since))["count"]
            took = one_row(database.execute(BY_THE_HOUR, since))
            period = one_row(database.execute("select private.ops_period(%(since)s) as p", since))["p"]
            assert period["calls"].get("ok", 0) == expected, since
            assert period["failures"].get("internal", 0) == expected, since
            assert sum(model["calls"] for model in period["models"]) == expected, since
            for name in ("first_token_ms", "latency_ms"):
                assert [model[name] for model in period["models"]] == ([took[name]] if expected else []), since


def test_figures_are_the_same_before_and_after_they_are_added_up(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder
) -> None:
    people.ask(chat)
    [reply] = worker.claim()
    reply["attempt"] = worker.next_attempt(reply, "model_overloaded")
    assert worker.complete(reply, call={**CALL, "first_token_ms": 321, "latency_ms": 4321})
    before = report()
    worker.reconcile()
    after = report()
    for name in ("periods", "days"):
        assert after[name] == before[name]
    people.ask(chat)
    [reply] = worker.claim()
    assert worker.complete(reply)
    assert report()["periods"][0]["calls"] == {"ok": 2, "model_overloaded": 1}
