"""No figure reads a table that grows with all that is said: by the plans of the views, and by what functions use."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

VIEWS = (
    *("calls", "recent_sessions", "messages_per_session", "session_duration", "session_averages"),
    *("tokens_per_message", "daily_use", "cost_by_day", "cost_by_model", "cost_by_user", "latency_percentiles"),
    *("failure_causes", "retries"),
)
LISTS = {
    "calls",
    "recent_sessions",
    "messages_per_session",
    "session_duration",
    "session_averages",
    "tokens_per_message",
}
GROWING = {"external_api_call_logs", "chat_messages", "chat_replies", "chat_sessions", "chat_reply_drafts"}
# What must see all its rows before it gives one: a limit above it saves nothing below it.
BLOCKING = {"Sort", "Incremental Sort", "Aggregate", "Hash", "WindowAgg", "Materialize"}

USES = """with recursive uses (kind, id) as (
      select 'pg_proc'::regclass::oid, %s::regprocedure::oid
      union
      select found.kind, found.id
      from uses u
      cross join lateral (
        select d.refclassid, d.refobjid from pg_depend d where (d.classid, d.objid) = (u.kind, u.id)
        union all
        select d.refclassid, d.refobjid from pg_rewrite r
        join pg_depend d on (d.classid, d.objid) = ('pg_rewrite'::regclass::oid, r.oid)
        where u.kind = 'pg_class'::regclass and r.ev_class = u.id
      ) as found (kind, id)
      where found.kind in ('pg_proc'::regclass, 'pg_class'::regclass)
    )
    select c.relname from uses u join pg_class c on c.oid = u.id and u.kind = 'pg_class'::regclass
    where c.relkind in ('r', 'v')"""


def reads(plan: dict[str, Any], is_limited: bool = False) -> Iterator[str]:
    """Of a plan, what reads the whole of a growing table."""
    kind = plan["Node Type"]
    is_limited = kind == "Limit" or (is_limited and kind not in BLOCKING)
    if plan.get("Relation Name") in GROWING and "Scan" in kind:
        looks_up = "Index Cond" in plan or "Recheck Cond" in plan
        if not looks_up and not (is_limited and kind.startswith("Index")):
            yield f"{kind} of {plan['Relation Name']}"
    for below in plan.get("Plans", []):
        yield from reads(below, is_limited)


def plan_of(connection: psycopg.Connection[Any], query: sql.Composable) -> dict[str, Any]:
    # Few rows are read whole whatever indexes there are: what is asked is whether it could be otherwise.
    connection.execute("set enable_seqscan = off; set enable_bitmapscan = off")
    row = connection.execute(sql.SQL("explain (format json) ") + query).fetchone()
    plan: dict[str, Any] = row["QUERY PLAN"][0]["Plan"]  # type: ignore[index]
    return plan


def test_every_view_is_looked_at(database: Any) -> None:
    rows = database.execute(
        "select relname from pg_class where relnamespace = 'analytics'::regnamespace and relkind = 'v'"
    ).fetchall()
    assert {row["relname"] for row in rows} == set(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_reads_no_growing_table_whole(database: Any, view: str) -> None:
    plan = plan_of(database, sql.SQL("select * from analytics.{}").format(sql.Identifier(view)))
    assert list(reads(plan)) == []
    tables = {name for name in GROWING if f"'{name}'" in str(plan)}
    assert bool(tables) == (view in LISTS), tables


def test_a_view_that_lists_rows_ends(database: Any, no_figures: None) -> None:
    database.execute(
        """insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id, outcome)
        select gen_random_uuid(), 1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ok'
        from generate_series(1, 1005)"""
    )
    for view in ("calls", "tokens_per_message"):
        row = database.execute(f"select count(*) from analytics.{view}").fetchone()
        assert row["count"] == 1000
    assert database.execute("select calls from analytics.cost_by_day").fetchone()["calls"] == 1005


@pytest.mark.parametrize(
    "function", ["private.ops_period(timestamptz)", "private.ops_models(timestamptz)", "private.ops_days(integer)"]
)
def test_the_report_uses_no_growing_table(database: Any, function: str) -> None:
    used = {row["relname"] for row in database.execute(USES, [function])}
    assert {"call_counts", "uncounted_calls"} <= used
    assert used & GROWING == set()


def test_what_is_told_of_the_queue_looks_at_unfinished_replies_alone(database: Any) -> None:
    used = {row["relname"] for row in database.execute(USES, ["private.ops_queue()"])}
    assert used & GROWING == {"chat_replies"}
    plan = plan_of(database, sql.SQL("select count(*) from public.chat_replies r where r.status = 'pending'"))
    assert "unfinished_replies" in str(plan)


def test_counting_what_is_weeks_old_leaves_no_dead_hours_behind(database: Any, no_figures: None) -> None:
    """A year's calls that are counted at once (an import, a long pause): hours that are not kept are not written."""
    size = "select pg_relation_size('private.call_counts') / 8192 as pages"
    for _ in range(10):
        database.execute(
            """insert into public.external_api_call_logs
              (message_id, attempt, session_id, user_id, worker_id, model_requested, outcome, latency_ms, started_at)
            select gen_random_uuid(), 1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'first', 'ok', 900,
              date_trunc('day', now(), 'UTC') - interval '20 days' + hour * interval '1 hour'
            from generate_series(0, 23) as hour"""
        )
        database.execute("select private.count_up()")
    rows = database.execute("select span, calls from private.call_counts").fetchall()
    assert [(row["span"], row["calls"]) for row in rows] == [("day", 240)]
    assert database.execute(size).fetchone()["pages"] <= 3
