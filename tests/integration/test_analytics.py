"""What the operator reads in the dashboard: views of figures, and saved queries that run."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.support.database import Connection
from tests.support.holder import CALL, Holder, MakeHolder
from tests.support.people import Chat, People

SNIPPETS = (Path(__file__).parents[2] / "supabase/snippets").glob("*.sql")
QUERIES = sorted(file for file in SNIPPETS if file.stem != "no_row_changes")  # a command: see test_row_changes
TOKENS = CALL["prompt_tokens"] + CALL["candidate_tokens"] + CALL["thought_tokens"]
ROLES = ("anon", "authenticated", "service_role")


pytestmark = pytest.mark.usefixtures("quiet", "no_figures")


@pytest.fixture
def worker(make_holder: MakeHolder) -> Holder:
    return make_holder()


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


def one(database: Connection, statement: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = database.execute(statement).fetchall()
    assert len(rows) == 1, rows
    return rows[0]


def answer(worker: Holder, message: UUID, failures: int = 0) -> None:
    """The reply to this question, after so many failed calls."""
    [reply] = worker.claim()
    assert reply["message_id"] == str(message)
    for _ in range(failures):
        reply["attempt"] = worker.next_attempt(reply)
    assert worker.complete(reply)


def fail(worker: Holder, code: str) -> None:
    [reply] = worker.claim()
    assert worker.fail(reply, code)


def test_messages_of_a_session_and_their_average(database: Connection, people: People, worker: Holder) -> None:
    long, short = people.make_chat(), people.make_chat()
    people.make_chat()  # without a word: not in the averages
    for chat in (long, long, short):
        answer(worker, people.ask(chat))
    people.ask(short)

    counts = database.execute("select * from analytics.messages_per_session order by messages desc").fetchall()
    assert [(row["questions"], row["answers"], row["messages"]) for row in counts] == [
        (2, 2, 4),
        (2, 1, 3),
        (0, 0, 0),
    ]
    averages = one(database, "select * from analytics.session_averages")
    assert (averages["sessions"], averages["messages"]) == (2, 7)
    assert (averages["messages_per_session"], averages["median_messages"]) == (Decimal("3.5"), 3.5)


def test_a_session_lasts_from_its_first_to_its_last_message(
    database: Connection, people: People, chat: Chat, worker: Holder
) -> None:
    first = people.ask(chat)
    answer(worker, first)
    database.execute(
        "update public.chat_messages set created_at = created_at - interval '1 hour' where id = %s", [first]
    )

    row = one(database, "select * from analytics.session_duration")
    assert timedelta(hours=1) <= row["duration"] < timedelta(hours=1, minutes=1)
    averages = one(database, "select * from analytics.session_averages")
    assert averages["average_duration"] == averages["median_duration"] == row["duration"]


def test_tokens_of_a_message_are_those_of_all_its_calls(
    database: Connection, people: People, chat: Chat, worker: Holder
) -> None:
    question = people.ask(chat)
    answer(worker, question, failures=1)

    row = one(database, "select * from analytics.tokens_per_message")
    assert (row["message_id"], row["calls"], row["tokens"]) == (question, 2, 2 * TOKENS)
    assert row["cost_usd"] == Decimal("0.0002")


@pytest.mark.parametrize(
    ("view", "by"),
    [("cost_by_day", None), ("cost_by_model", "model"), ("cost_by_user", "user_id")],
)
def test_cost_by_day_model_and_user(
    database: Connection, people: People, chat: Chat, worker: Holder, view: str, by: str | None
) -> None:
    for _ in range(3):
        answer(worker, people.ask(chat))
    database.execute(
        """update public.external_api_call_logs set cost_usd = null where ctid = (
        select min(ctid) from public.external_api_call_logs)"""
    )

    row = one(database, f"select *, day = (now() at time zone 'UTC')::date as today from analytics.{view}")
    assert row["today"]
    assert (row["calls"], row["tokens"], row["calls_without_price"]) == (3, 3 * TOKENS, 1)
    assert row["cost_usd"] == Decimal("0.0002")
    if by:
        assert row[by] == {"model": "gemini-test-001", "user_id": chat.user.id}[by]


def test_a_day_is_a_day_of_utc(database: Connection, people: People, chat: Chat, worker: Holder) -> None:
    answer(worker, people.ask(chat))
    database.execute("update public.external_api_call_logs set started_at = '2026-03-01T23:30:00-01:00'")
    database.execute("set timezone = 'America/Los_Angeles'")

    assert str(one(database, "select day from analytics.cost_by_day")["day"]) == "2026-03-02"


def test_the_use_of_a_day(database: Connection, people: People, worker: Holder) -> None:
    one_user, other = people.make_chat(), people.make_chat()
    answer(worker, people.ask(one_user))
    people.ask(other)
    fail(worker, "timed_out")
    people.ask(one_user)

    row = one(database, "select * from analytics.daily_use")
    assert (row["users"], row["sessions"], row["questions"]) == (2, 2, 3)
    assert (row["completed"], row["failed"], row["cancelled"], row["calls"]) == (1, 1, 0, 2)
    assert (row["asked_again"], row["regenerated"]) == (0, 0)


def test_what_is_asked_again_is_counted_beside_the_questions(
    database: Connection, people: People, chat: Chat, worker: Holder
) -> None:
    question = people.ask(chat)
    fail(worker, "timed_out")
    with people.signed_in(chat.user) as user:
        user.post("/rpc/retry_reply", json={"message_id": str(question)}).raise_for_status()
        answer(worker, question)
        user.post("/rpc/regenerate_reply", json={"message_id": str(question)}).raise_for_status()
        answer(worker, question)

    row = one(database, "select * from analytics.daily_use")
    assert (row["questions"], row["asked_again"], row["regenerated"]) == (1, 1, 1)
    assert (row["completed"], row["failed"], row["cancelled"]) == (2, 1, 0)


def test_a_chat_counts_once_a_day(database: Connection, people: People, chat: Chat, worker: Holder) -> None:
    """On each day on which a question is asked in it."""
    yesterday = people.ask(chat)
    answer(worker, yesterday)
    for table, column in (("public.chat_messages", "created_at"), ("private.uncounted_replies", "pending_since")):
        database.execute(f"update {table} set {column} = {column} - interval '1 day'")
    for _ in range(2):
        answer(worker, people.ask(chat))

    rows = database.execute("select sessions, questions from analytics.daily_use order by day").fetchall()
    assert [tuple(row.values()) for row in rows] == [(1, 1), (1, 2)]


@pytest.mark.parametrize("counted", [True, False], ids=["added up", "not added up yet"])
@pytest.mark.parametrize("table", ["public.chat_sessions", "auth.users", "public.external_api_call_logs"])
def test_figures_stay_when_what_they_are_of_is_deleted(
    database: Connection, people: People, chat: Chat, worker: Holder, table: str, counted: bool
) -> None:
    answer(worker, people.ask(chat), failures=1)
    people.ask(chat)
    fail(worker, "timed_out")
    views = ("daily_use", "cost_by_day", "cost_by_model", "cost_by_user", "failure_causes", "retries")
    before = {view: database.execute(f"select * from analytics.{view} order by 1, 2").fetchall() for view in views}
    if counted:
        worker.reconcile()
    database.execute(f"delete from {table}")

    after = {view: database.execute(f"select * from analytics.{view} order by 1, 2").fetchall() for view in views}
    assert after == before
    row = one(database, "select * from analytics.daily_use")
    assert (row["questions"], row["completed"], row["failed"], row["calls"]) == (2, 1, 1, 3)


def test_latency_is_of_calls_that_answered(database: Connection, people: People, chat: Chat, worker: Holder) -> None:
    for _ in range(4):
        answer(worker, people.ask(chat))
    people.ask(chat)
    fail(worker, "timed_out")
    database.execute(
        """update public.external_api_call_logs l set first_token_ms = n.number * 100, latency_ms = n.number * 1000
        from (select message_id, row_number() over (order by outcome = 'ok' desc) as number
          from public.external_api_call_logs) as n
        where n.message_id = l.message_id"""
    )

    row = one(database, "select * from analytics.latency_percentiles")
    assert row["calls"] == 4
    assert (row["first_token_ms_p50"], row["latency_ms_p50"]) == pytest.approx((200, 2000), rel=0.1)
    assert (row["first_token_ms_p95"], row["latency_ms_p99"]) == pytest.approx((400, 4000), rel=0.1)


def test_causes_of_failed_calls_and_of_failed_replies(
    database: Connection, people: People, chat: Chat, worker: Holder
) -> None:
    answer(worker, people.ask(chat), failures=2)
    people.ask(chat)
    fail(worker, "content_blocked")

    rows = database.execute("select cause, calls, replies from analytics.failure_causes order by cause").fetchall()
    assert [tuple(row.values()) for row in rows] == [("content_blocked", 1, 1), ("model_overloaded", 2, 0)]


def test_retries(database: Connection, people: People, chat: Chat, worker: Holder) -> None:
    answer(worker, people.ask(chat))
    answer(worker, people.ask(chat), failures=2)

    row = one(database, "select * from analytics.retries")
    assert (row["replies"], row["calls"], row["replies_retried"], row["retries"]) == (2, 4, 1, 2)


def test_another_version_of_an_answer_is_no_retry(
    database: Connection, people: People, chat: Chat, worker: Holder
) -> None:
    question = people.ask(chat)
    answer(worker, question)
    asked = people.signed_in(chat.user).post("/rpc/regenerate_reply", json={"message_id": str(question)})
    asked.raise_for_status()
    answer(worker, question)

    row = one(database, "select * from analytics.retries")
    assert (row["replies"], row["calls"], row["replies_retried"], row["retries"]) == (2, 2, 0, 0)
    assert one(database, "select public.ops_report() as report")["report"]["periods"][0]["retries"] == 0


def test_every_view_has_a_comment(database: Connection) -> None:
    rows = database.execute(
        """select relname, obj_description(oid, 'pg_class') as comment from pg_class
        where relnamespace = 'analytics'::regnamespace and relkind = 'v'"""
    ).fetchall()
    assert len(rows) == 13
    assert [row["relname"] for row in rows if not row["comment"]] == []


@pytest.mark.parametrize("role", ROLES)
def test_nobody_but_the_owner_looks_in(database: Connection, role: str) -> None:
    rights = one(
        database,
        f"""select has_schema_privilege('{role}', 'analytics', 'usage') as usage,
        (select bool_or(has_table_privilege('{role}', oid, 'select, insert, update, delete'))
          from pg_class where relnamespace = 'analytics'::regnamespace and relkind = 'v') as anything""",
    )
    assert rights == {"usage": False, "anything": False}


def test_the_api_does_not_know_the_schema(people: People) -> None:
    with people.service() as service:
        answer = service.get("/cost_by_day", headers={"accept-profile": "analytics"})
    assert answer.status_code == 406


@pytest.mark.parametrize("snippet", QUERIES, ids=lambda file: file.stem)
def test_a_saved_query_runs_and_says_what_it_is(
    database: Connection, people: People, chat: Chat, worker: Holder, snippet: Path
) -> None:
    """With one row of each kind that it may be about: an empty answer would prove nothing."""
    answer(worker, people.ask(chat))
    people.ask(chat)
    fail(worker, "internal")
    stuck = people.ask(chat)
    database.execute("update private.reply_queue set due_at = now() - interval '1 minute'")
    statement = snippet.read_text()

    assert statement.startswith("-- ")
    rows = database.execute(statement).fetchall()
    assert len(rows) == 1, rows
    if snippet.stem == "stuck_replies":
        assert rows[0]["message_id"] == stuck
    content = database.execute("select content from public.chat_messages").fetchall()
    assert not any(row["content"] in str(rows) for row in content)


def test_there_are_saved_queries() -> None:
    assert len(QUERIES) >= 5
