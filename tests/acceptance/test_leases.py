"""A worker that cannot keep its lease gives up by its own clock; one that wakes up late finds that it is over."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.acceptance.faulty_model import FaultyModel
from tests.acceptance.test_commands import answers, draft
from tests.acceptance.test_model_failures import Calls, calls_with, outcomes
from tests.holder import Holder
from tests.people import People
from tests.waiting import wait_for
from worker.local.processes import Service
from worker.local.stack import Stack

Database = psycopg.Connection[dict[str, Any]]
LEASE_SECONDS = 3
# Much longer than a lease, and much shorter than the model's silence may last (MODEL_IDLE_SECONDS).
SOON = 15.0


@pytest.fixture
def short_lease(worker_with: Callable[..., Service]) -> Service:
    return worker_with(LEASE_SECONDS=LEASE_SECONDS, MODEL_IDLE_SECONDS=100)


@pytest.fixture
def streaming(
    short_lease: Service, people: People, database: Database, faulty_model: FaultyModel
) -> Iterator[tuple[UUID, str]]:
    """A question whose answer has begun and will not go on; and the marker of its call."""
    marker = uuid4().hex
    faulty_model.add("stall", question=marker, after=3)
    question = people.ask(people.make_chat(), f"How can I improve this post? {marker}")
    wait_for(lambda: draft(database, question), "something to be shown", 30)
    yield question, marker
    # A worker that still waits for this answer would keep the house from stopping at once.
    database.execute(
        "delete from public.chat_sessions using public.chat_replies r where id = r.session_id and r.message_id = %s",
        [question],
    )


def actions(log: Path) -> list[str]:
    lines = log.read_text().splitlines()
    return [json.loads(line).get("action") for line in lines if line.startswith("{")]


def test_without_renewals_the_lease_ends_by_the_workers_own_clock(
    house: Stack, short_lease: Service, streaming: tuple[UUID, str], database: Database, calls: Calls
) -> None:
    """The API is away all the time: nobody could tell it."""
    question, marker = streaming
    house.api.kill()
    try:
        wait_for(lambda: [call["outcome"] for call in calls_with(marker, calls)], "the call to be left", SOON)
    finally:
        house.api.start()
    assert [call["outcome"] for call in calls_with(marker, calls)][:1] == ["aborted"]
    assert "lease_lost" in actions(house.directory / "logs" / "another_worker.log")
    wait_for(lambda: outcomes(database, question) == ["lost", "ok"], "the next attempt", 30)
    assert len(answers(database, question)) == 1


def test_within_the_lease_it_does_not_give_up(
    house: Stack, streaming: tuple[UUID, str], database: Database, calls: Calls
) -> None:
    question, marker = streaming
    house.api.kill()
    house.api.start()
    renewed_until = due_at(database, question)
    wait_for(lambda: due_at(database, question) > renewed_until, "the next renewal")
    assert calls_with(marker, calls) == [], "the call is still under way"
    assert outcomes(database, question) == ["started"]


def test_frozen_past_its_lease_it_wakes_up_to_nothing(
    house: Stack, short_lease: Service, streaming: tuple[UUID, str], database: Database, calls: Calls
) -> None:
    question, marker = streaming
    signal_to(short_lease, signal.SIGSTOP)
    try:
        with Holder(house.environment["DATABASE_URL"]) as another:
            [claimed] = wait_for(another.claim, "the lease to end", SOON)
            assert claimed["message_id"] == str(question)
            assert another.complete(claimed, "Another's.") is True
    finally:
        signal_to(short_lease, signal.SIGCONT)
    wait_for(
        lambda: [call["outcome"] for call in calls_with(marker, calls)] == ["aborted"], "the call to be left", SOON
    )
    assert [answer["content"] for answer in answers(database, question)] == ["Another's."]
    assert outcomes(database, question) == ["lost", "ok"]


def signal_to(service: Service, number: signal.Signals) -> None:
    assert service.pid
    os.kill(service.pid, number)


def due_at(database: Database, question: UUID) -> Any:
    row = database.execute("select due_at from private.reply_queue where message_id = %s", [question]).fetchone()
    return row and row["due_at"]
