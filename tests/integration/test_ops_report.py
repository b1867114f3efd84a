"""What the operator's page is told: figures that agree with the rows, to the service alone, and no content."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import CALL, Holder
from tests.support.people import Chat, People

TOKENS = CALL["prompt_tokens"] + CALL["candidate_tokens"] + CALL["thought_tokens"]
QUESTION = "Who is the kingfisher?"
ANSWER = "A bird of rivers."


@pytest.fixture(autouse=True)
def empty(quiet: None, no_figures: None, database: Connection) -> None:
    database.execute("update private.reconciler set mended = 0, set_aside = 0, refuses_questions = false")


@pytest.fixture
def worker(make_holder: Callable[[], Holder]) -> Holder:
    return make_holder()


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.fixture
def report(people: People) -> Callable[[], dict[str, Any]]:
    """As the worker asks for it: over the API, with the secret key."""

    def asked() -> dict[str, Any]:
        answer = people.service().post("/rpc/ops_report")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return asked


def test_nothing_has_happened_yet(report: Callable[[], dict[str, Any]]) -> None:
    found = report()
    assert found["queue"] == {
        "pending": 0,
        "oldest_pending_seconds": None,
        "in_flight": 0,
        "workers": 0,
        "waiting_to_retry": 0,
        "overdue": 0,
        "oldest_overdue_seconds": None,
        "mended": 0,
        "set_aside": 0,
        "refuses_questions": False,
    }
    assert found["workers"] == []
    assert found["days"] == []
    nothing = {"replies": {}, "failures": {}, "calls": {}, "retries": 0, "models": []}
    assert found["periods"] == [{"hours": 24, **nothing}, {"hours": 168, **nothing}]


def test_the_queue(
    report: Callable[[], dict[str, Any]], people: People, worker: Holder, database: Connection
) -> None:
    claimed, retried, overdue = people.make_chat(), people.make_chat(), people.make_chat()
    people.ask(claimed)
    people.ask(retried)
    first, second = worker.claim()
    worker.fail(second, "model_overloaded", retry_in=60.0)
    people.ask(overdue)
    people.ask(overdue)  # behind it in the same chat: pending, and not in the queue
    database.execute("update private.reply_queue set due_at = now() - interval '90 seconds' where due_at <= now()")
    # The oldest question is behind the one in flight, and its turn has not come: its age has not begun.
    database.execute("update public.chat_replies set created_at = now() - interval '9 minutes'")
    database.execute(
        "update private.reply_queue set waiting_since = now() - interval '8 minutes' where worker_id is not null"
    )
    database.execute(
        "update private.reply_queue set waiting_since = now() - interval '5 minutes' where worker_id is null"
    )

    queue = report()["queue"]

    assert (queue["in_flight"], queue["workers"], queue["waiting_to_retry"], queue["overdue"]) == (1, 1, 1, 1)
    assert queue["pending"] == 3
    assert 300 <= queue["oldest_pending_seconds"] < 330
    assert 90 <= queue["oldest_overdue_seconds"] < 120
    assert first["message_id"]


def test_what_a_dead_worker_holds_is_in_flight_until_it_is_buried(
    report: Callable[[], dict[str, Any]],
    people: People,
    chat: Chat,
    worker: Holder,
    database: Connection,
    database_url: str,
) -> None:
    people.ask(chat)
    worker.claim()
    database.execute("update private.workers set alive_until = now()")
    queue = report()["queue"]
    assert (queue["in_flight"], queue["workers"], queue["overdue"]) == (1, 0, 0)

    with Holder(database_url) as other:
        assert other.claim(most=0) == []
    queue = report()["queue"]
    assert (queue["in_flight"], queue["workers"], queue["overdue"]) == (0, 1, 1)


def test_the_workers(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder, database: Connection
) -> None:
    people.ask(chat)
    (claimed,) = worker.claim()
    worker.beat(claimed, closed=30)
    [found] = report()["workers"]
    assert (found["id"], found["version"], found["concurrency"]) == (str(worker.id), "test", 50)
    assert (found["holds"], found["models_open_at"] is not None) == (1, True)
    assert 0 <= found["heard_seconds_ago"] < 5
    worker.release()
    assert report()["workers"] == []


def test_a_call_is_counted_when_it_has_ended(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder, database: Connection
) -> None:
    """And a claim that is no call yet, never."""
    people.ask(chat)
    (claimed,) = worker.claim()
    found = report()
    assert (found["days"], [period["calls"] for period in found["periods"]]) == ([], [{}, {}])
    assert database.execute("select from analytics.calls").fetchall() == []

    worker.beat({**claimed, "model": "gemini-test"})
    found = report()
    assert (found["days"], [period["calls"] for period in found["periods"]]) == ([], [{}, {}])
    assert found["queue"]["in_flight"] == 1
    assert len(database.execute("select from analytics.calls").fetchall()) == 1

    assert worker.complete(claimed)
    found = report()
    assert [period["calls"] for period in found["periods"]] == [{"ok": 1}, {"ok": 1}]
    assert [(day["model"], day["calls"]) for day in found["days"]] == [("gemini-test-001", 1)]


def test_replies_calls_and_causes(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder
) -> None:
    people.ask(chat)
    [reply] = worker.claim()
    reply["attempt"] = worker.next_attempt(reply, "model_overloaded")
    assert worker.complete(reply)
    people.ask(chat)
    [reply] = worker.claim()
    assert worker.fail(reply, "content_blocked")

    day, week = report()["periods"]
    assert day["replies"] == {"asked": 2, "completed": 1, "failed": 1}
    assert day["failures"] == {"content_blocked": 1}
    assert day["calls"] == {"ok": 1, "model_overloaded": 1, "content_blocked": 1}
    assert day["retries"] == 1
    assert {**week, "hours": 24} == day
    [model] = day["models"]
    assert (model["model"], model["calls"], model["tokens"]) == ("gemini-test-001", 3, 3 * TOKENS)
    assert (model["cost_usd"], model["calls_without_price"]) == (pytest.approx(0.0003), 0)


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


def test_an_estimated_cost_is_in_the_sum_and_said_to_be_one(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder
) -> None:
    people.ask(chat)
    [reply] = worker.claim()
    assert worker.fail(reply, "timed_out", call={**CALL, "cost_is_estimated": True})
    found = report()
    for use in (found["periods"][0]["models"][0], found["days"][0]):
        assert (use["calls_with_estimated_cost"], use["calls_without_price"]) == (1, 0)
        assert use["cost_usd"] == pytest.approx(0.0001)


def test_latency_is_of_calls_that_answered(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder, database: Connection
) -> None:
    for ms in (100, 200, 900):
        message = people.ask(chat)
        [reply] = worker.claim()
        assert worker.complete(reply)
        database.execute(
            """update public.external_api_call_logs set first_token_ms = %s, latency_ms = 10 * %s
            where message_id = %s""",
            [ms, ms, message],
        )
    people.ask(chat)
    [reply] = worker.claim()
    assert worker.fail(reply, "timed_out")
    database.execute("update public.external_api_call_logs set latency_ms = 99999 where outcome = 'timed_out'")

    [model] = report()["periods"][0]["models"]
    assert model["first_token_ms"] == pytest.approx([200, 900, 900], rel=0.1)
    assert model["latency_ms"] == pytest.approx([2000, 9000, 9000], rel=0.1)


def test_no_content_and_nobody_in_it(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder
) -> None:
    people.ask(chat, QUESTION)
    [reply] = worker.claim()
    assert worker.complete(reply, ANSWER)

    text = str(report())
    for kept in (QUESTION, ANSWER, str(chat.user.id), str(chat.session), "example.test", "@"):
        assert kept not in text


def test_users_may_not_ask_for_it(people: People, chat: Chat) -> None:
    refused = people.signed_in(chat.user).post("/rpc/ops_report")
    assert (refused.status_code, refused.json()["code"]) == (403, "42501")
    assert people.anon().post("/rpc/ops_report").status_code == 401


def test_the_queue_alone_says_what_the_report_says(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat
) -> None:
    people.ask(chat, QUESTION)
    answer = people.service().post("/rpc/ops_queue")
    assert answer.status_code == 200, answer.text
    ages = ("oldest_pending_seconds", "oldest_overdue_seconds")
    whole, alone = report()["queue"], answer.json()
    assert alone["pending"] == 1
    assert {name: value for name, value in alone.items() if name not in ages} == {
        name: value for name, value in whole.items() if name not in ages
    }
    assert people.signed_in(chat.user).post("/rpc/ops_queue").status_code == 403


def test_a_claim_says_how_long_the_question_has_waited(
    people: People, chat: Chat, worker: Holder, database: Connection
) -> None:
    """Since it became its chat's next, without the time for which workers held it."""
    people.ask(chat, QUESTION)
    database.execute("update private.reply_queue set waiting_since = now() - interval '90 s'")
    [first] = worker.claim()
    assert 90_000 <= first["waiting_ms"] < 120_000

    database.execute("update private.reply_queue set claimed_at = now() - interval '60 s'")
    worker.give_back(first)
    [second] = worker.claim()
    assert 30_000 <= second["waiting_ms"] < 60_000

    database.execute("update private.reply_queue set claimed_at = now() - interval '25 s'")
    worker.fail(second, "timed_out", retry_in=0)
    [third] = worker.claim()
    assert 5_000 <= third["waiting_ms"] < 30_000
