"""What is wrong, in words: since when, and what to do."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.calls import fail
from worker.config import WorkerSettings
from worker.errors import AccessRefused, RateLimited
from worker.model.admission import Admission
from worker.operations.health import create_health_app
from worker.operations.heartbeat import STILL_SECONDS, Heartbeat
from worker.operations.problems import problems

SETTINGS = WorkerSettings(
    _env_file=None, supabase_url="http://unused", supabase_secret_key="unused", gemini_api_key="unused"
)


def found(
    api: bool = True,
    state: str = "well",
    seconds: int = 0,
    admission: Admission | None = None,
    refused: str | None = None,
    failing_since: float | None = None,
    refused_with: str = "",
) -> dict[str, str]:
    since = time.monotonic() - seconds
    wakeup: Any = SimpleNamespace(state=state, missed=3, changed_at=since, refused_with=refused_with)
    broadcaster: Any = SimpleNamespace(failing_since=failing_since)
    return problems(
        SETTINGS,
        SimpleNamespace(api_answers=api, api_refuses=refused, api_changed_at=since),
        wakeup,
        admission or Admission(["first", "second"]),
        broadcaster,
    )


def broken(*names: str) -> Admission:
    admission = Admission(["first", "second"])
    for name in names:
        fail(admission, name)
    return admission


def test_all_is_well() -> None:
    assert found() == {}
    assert found(admission=broken("first")) == {}, "the second still answers"


def test_the_api_is_away() -> None:
    assert "not answered for 7 s" in found(api=False, seconds=7)["api"]
    assert "SUPABASE_URL" in found(api=False)["api"]
    assert "SUPABASE_SECRET_KEY" in found(api=False)["api"]


def test_a_database_that_refuses_is_no_outage() -> None:
    """It is reached, and says no: the network is the wrong place to look."""
    told = found(api=False, refused="PGRST202", seconds=300)

    assert list(told) == ["database"]
    assert "refused this worker for 5 min, with PGRST202" in told["database"]
    assert "migrations" in told["database"]
    assert "SUPABASE_URL" not in told["database"]


def test_it_is_deaf() -> None:
    words = found(state="away", seconds=300)["realtime"]
    assert "Not subscribed to wake-ups for 5 min" in words
    assert "every 2 s" in words
    assert "SUPABASE_SECRET_KEY" in words
    assert (
        "(MissingPartition): the queue is asked" in found(state="away", refused_with="MissingPartition")["realtime"]
    )


def test_it_is_subscribed_and_nothing_arrives() -> None:
    """The socket stands, and what the database sends reaches nobody: only what claims find tells of it."""
    words = found(state="unreliable")["realtime"]
    assert "none arrives: the last 3 claims that found a question had not been told of it" in words
    assert "every 2 s" in words
    assert "realtime.messages" in words
    assert "worker check" in words


def test_realtime_does_not_read_the_database_yet() -> None:
    words = found(state="starting", seconds=7)["realtime"]
    assert "Realtime has not begun to read the database for 7 s" in words
    assert "every 2 s" in words


def test_no_piece_of_an_answer_is_taken() -> None:
    words = found(failing_since=time.monotonic() - 7)["deltas"]
    assert "no piece of an answer for 7 s" in words


def test_no_model_is_left() -> None:
    words = found(admission=broken("first", "second"))["models"]
    assert "first, second" in words
    assert "GEMINI_MODELS" in words


def test_a_refused_key_is_told() -> None:
    admission = Admission(["first", "second"])
    with pytest.raises(AccessRefused), admission.watch("first", "q", "u"):
        raise AccessRefused("401")

    assert "GEMINI_API_KEY" in found(admission=admission)["models"]


def test_a_limit_of_the_minute_is_no_problem() -> None:
    admission = Admission(["first"])
    with pytest.raises(RateLimited), admission.watch("first", "q", "u"):
        raise RateLimited("429", 30.0)

    assert admission.states() == {"first": "limited"}
    assert found(admission=admission) == {}


async def test_a_loop_that_stands_still_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeat = Heartbeat()
    client = create_health_app(dict, heartbeat.beats).test_client()
    assert client.get("/healthz").status_code == 200

    moment = time.monotonic() + STILL_SECONDS
    monkeypatch.setattr("worker.operations.heartbeat.time", SimpleNamespace(monotonic=lambda: moment))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()["status"]) == (503, "stuck")
    assert "start the worker again" in answer.get_json()["problem"]
