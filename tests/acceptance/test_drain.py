"""SIGTERM under load: several answers in mid-stream, a queue behind them, and nothing lost, doubled or spent."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg

from tests.support.asked import Calls, calls_with, draft
from tests.support.faulty_model import FaultyModel
from tests.support.people import People
from tests.support.waiting import wait_for
from worker.local.processes import Service
from worker.local.stack import Stack

Database = psycopg.Connection[dict[str, Any]]
CHATS = 8
CONCURRENCY = 6
GRACE_SECONDS = 10
GOODBYE_SECONDS = 5.0  # for what follows the grace period, on a busy machine
LATE = 3  # chats whose answers would outlast the grace period
PACE_MS = 300
SHORT = "A short answer. " * 10  # six seconds: it is under way at the signal, and over within the grace period
LONG = "An answer that takes its time. " * 40


def test_sigterm_under_load(
    house: Stack,
    worker_with: Callable[..., Service],
    people: People,
    database: Database,
    faulty_model: FaultyModel,
    calls: Calls,
) -> None:
    worker = worker_with(WORKER_CONCURRENCY=CONCURRENCY, SHUTDOWN_GRACE_SECONDS=GRACE_SECONDS)
    markers = [uuid4().hex for _ in range(CHATS)]
    for number, marker in enumerate(markers):
        # Slow for the first call alone: the next worker has done soon.
        text = LONG if number < LATE else SHORT
        faulty_model.add("say", question=marker, text=text, pace_ms=PACE_MS)
        faulty_model.add("say", question=marker, text=SHORT, pace_ms=0, times=None)
    chats = [people.make_chat() for _ in markers]
    rows = [(chat, people.ask(chat, f"Why? {marker}")) for chat, marker in zip(chats, markers, strict=True)]
    first = [question for _, question in rows]
    behind = [people.ask(chat, f"And then? {marker}") for chat, marker in zip(chats, markers, strict=True)]
    everything = [*first, *behind]
    wait_for(lambda: all(draft(database, question) for question in first[:LATE]), "the streams to be under way", 20)
    wait_for(lambda: len(statuses(database, everything, "answering")) == CONCURRENCY, "all places to be taken")

    asked = time.monotonic()
    worker.ask_to_stop()
    wait_for(lambda: not worker.running, "the worker to go", GRACE_SECONDS + GOODBYE_SECONDS)
    took = time.monotonic() - asked

    assert worker.exit_code == 0
    assert took < GRACE_SECONDS + GOODBYE_SECONDS
    assert statuses(database, everything, "answering") == []
    assert statuses(database, everything, "failed", "cancelled") == []
    finished = statuses(database, everything, "completed")
    assert finished, "what could finish within the grace period did"
    assert set(finished) <= set(first), "nothing new was begun"
    assert not set(finished) & set(first[:LATE])
    queued = database.execute(
        "select message_id, worker_id, calls, due_at <= now() as due from private.reply_queue"
        " where message_id = any (%s)",
        [everything],
    ).fetchall()
    # Each session has its next question in the queue: due at once, held by nobody, no call counted.
    assert {row["message_id"]: (row["worker_id"], row["calls"], row["due"]) for row in queued} == {
        (later if question in finished else question): (None, 0, True)
        for question, later in zip(first, behind, strict=True)
    }

    house.worker.start()
    wait_for(lambda: len(statuses(database, everything, "completed")) == len(everything), "the rest", 30)
    stored = database.execute(
        "select reply_to, count(*) from public.chat_messages where reply_to = any (%s) group by reply_to",
        [everything],
    ).fetchall()
    assert {row["reply_to"]: row["count"] for row in stored} == dict.fromkeys(everything, 1)
    ledger = database.execute(
        "select message_id, array_agg(outcome order by attempt) as outcomes from public.external_api_call_logs"
        " where message_id = any (%s) group by message_id",
        [everything],
    ).fetchall()
    outcomes = {row["message_id"]: row["outcomes"] for row in ledger}
    for question in everything:
        assert outcomes[question] in (["ok"], ["lost", "ok"])
        assert outcomes[question] == ["lost", "ok"] or question not in first[:LATE]
    spent = database.execute(
        "select distinct on (message_id) latency_ms, cost_usd from public.external_api_call_logs"
        " where message_id = any (%s) order by message_id, attempt",
        [first[:LATE]],
    ).fetchall()
    assert all(row["latency_ms"] > 0 and row["cost_usd"] == 0 for row in spent), (
        "the offline model's price, not unknown"
    )
    made = sum(len(calls_with(marker, calls)) for marker in markers)
    assert made == sum(len(each) for each in outcomes.values()), "the ledger knows every call"


def statuses(database: Database, questions: list[UUID], *wanted: str) -> list[UUID]:
    """Those of the questions whose reply is in one of these states."""
    rows = database.execute(
        "select message_id from public.chat_replies where message_id = any (%s) and status = any (%s)",
        [questions, list(wanted)],
    ).fetchall()
    return [row["message_id"] for row in rows]
