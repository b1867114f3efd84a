"""Three hundred questions at once, against a model that takes sixty in a "minute" of three seconds, and six."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import psycopg

from tests.support.asked import Calls, calls_with
from tests.support.burst import Burst, ahead_of_the_limit, answered_in_turn
from tests.support.faulty_model import FaultyModel
from tests.support.waiting import wait_for
from worker.local.processes import Service

Database = psycopg.Connection[dict[str, Any]]
LIMIT, MINUTE = 60, 3.0
OVERSHOOT = 1.1
MODEL = "gemini-3.5-flash-lite"


def times_of(marker: str, calls: Calls) -> list[float]:
    return [datetime.fromisoformat(call["time"]).timestamp() for call in calls_with(marker, calls)]


def test_a_burst_fails_nothing_passes_no_limit_and_is_fair(
    worker_with: Callable[..., Service], database: Database, faulty_model: FaultyModel, calls: Calls
) -> None:
    worker_with(GEMINI_MODELS=MODEL, GEMINI_RATE_LIMIT=f"{LIMIT}/{MINUTE:g}")
    marker = uuid4().hex
    faulty_model.add("limit", question=marker, calls=LIMIT, seconds=MINUTE, times=None)
    faulty_model.add("say", question=marker, text="Many.", pace_ms=0, times=None)
    burst = Burst.ask(database, marker)

    wait_for(lambda: {row["status"] for row in burst.replies(database)} == {"completed"}, "all of them", 90)
    answered = answered_in_turn(burst.replies(database))
    assert max(times[0] for times in answered.values()) < min(times[2] for times in answered.values())
    wait_for(lambda: len(calls_with(marker, calls)) >= len(burst.questions), "the model's log")
    assert ahead_of_the_limit(LIMIT, MINUTE, times_of(marker, calls)) <= OVERSHOOT
    assert len(burst.ledger(database)) == len(calls_with(marker, calls))


def test_at_a_tenth_of_the_limit_age_alone_ends_questions_and_every_user_has_as_many_answers(
    worker_with: Callable[..., Service], database: Database, faulty_model: FaultyModel, calls: Calls
) -> None:
    limit = LIMIT // 10
    worker_with(GEMINI_MODELS=MODEL, GEMINI_RATE_LIMIT=f"{limit}/{MINUTE:g}", REPLY_MAX_WAIT_SECONDS=40)
    marker = uuid4().hex
    faulty_model.add("limit", question=marker, calls=limit, seconds=MINUTE, times=None)
    faulty_model.add("say", question=marker, text="Many.", pace_ms=0, times=None)
    burst = Burst.ask(database, marker)

    def statuses() -> set[tuple[str, str | None]]:
        return {(row["status"], row["error_code"]) for row in burst.replies(database)}

    wait_for(lambda: not {status for status, _ in statuses()} & {"pending", "answering"}, "all to be over", 120)
    assert statuses() == {("completed", None), ("failed", "waited_too_long")}
    answers = [len(times) for times in answered_in_turn(burst.replies(database)).values()]
    assert max(answers) - min(answers) <= 1, sorted(answers)
    assert ahead_of_the_limit(limit, MINUTE, times_of(marker, calls)) <= OVERSHOOT
    assert len(burst.ledger(database)) == len(calls_with(marker, calls))
