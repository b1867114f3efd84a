"""A worker that cannot be heard: nobody takes what nobody can take, and what was taken is not answered twice."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.support.asked import Calls, answers, calls_with, draft, outcomes
from tests.support.faulty_model import FaultyModel
from tests.support.holder import Holder
from tests.support.people import People
from tests.support.waiting import wait_for
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


def test_an_outage_longer_than_its_life_costs_no_answer_that_is_under_way(
    house: Stack, short_lease: Service, people: People, database: Database, faulty_model: FaultyModel, calls: Calls
) -> None:
    """Nobody could take its reply while the API was away for all: its call goes on, and is stored afterwards."""
    marker, text = uuid4().hex, "A slow answer, word by word. " * 12
    faulty_model.add("say", question=marker, text=text, pace_ms=250)
    question = people.ask(people.make_chat(), f"How can I improve this post? {marker}")
    wait_for(lambda: draft(database, question), "something to be shown", 30)
    house.api.kill()
    try:
        wait_for(lambda: not is_alive(database), "its life to end", SOON)
        wait_for(lambda: calls_with(marker, calls), "the call to come to its end", 40)
    finally:
        house.api.start()
    wait_for(lambda: answers(database, question), "the answer to be stored", 30)
    assert [each["content"] for each in answers(database, question)] == [text]
    assert outcomes(database, question) == ["ok"]
    assert [call["outcome"] for call in calls_with(marker, calls)] == ["completed"]


def test_frozen_past_its_lease_it_wakes_up_to_nothing(
    house: Stack,
    short_lease: Service,
    streaming: tuple[UUID, str],
    people: People,
    database: Database,
    calls: Calls,
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
    # Its id never comes back: it goes on under another.
    wait_for(lambda: "buried" in actions(house.directory / "logs" / "another_worker.log"), "it to find out", SOON)
    next_question = people.ask(people.make_chat())
    wait_for(lambda: answers(database, next_question), "it to answer again", 30)


def signal_to(service: Service, number: signal.Signals) -> None:
    assert service.pid
    os.kill(service.pid, number)


def is_alive(database: Database) -> bool:
    return bool(database.execute("select from private.workers where alive_until > now()").fetchall())
