"""What is wrong, in words: since when, and what to do."""

import time
from types import SimpleNamespace

import pytest

from worker.breakers import LEAST_CALLS, Breakers
from worker.config import WorkerSettings
from worker.errors import ModelOverloaded
from worker.readiness import problems
from worker.vitals import STILL_SECONDS, Heartbeat
from worker.web.health import create_health_app

SETTINGS = WorkerSettings(
    _env_file=None, supabase_url="http://unused", supabase_secret_key="unused", gemini_api_key="unused"
)


def found(api=True, subscribed=True, seconds=0, breakers=None):
    since = time.monotonic() - seconds
    return problems(
        SETTINGS,
        SimpleNamespace(api_answers=api, api_changed_at=since),
        SimpleNamespace(subscribed=subscribed, changed_at=since),
        breakers or Breakers(["first", "second"]),
    )


def broken(*names):
    breakers = Breakers(["first", "second"])
    for name in names:
        for _ in range(LEAST_CALLS):
            with pytest.raises(ModelOverloaded), breakers.watch(name):
                raise ModelOverloaded("x")
    return breakers


def test_all_is_well():
    assert found() == {}
    assert found(breakers=broken("first")) == {}, "the second still answers"


def test_the_api_is_away():
    assert "not answered for 7 s" in found(api=False, seconds=7)["api"]
    assert "SUPABASE_URL" in found(api=False)["api"]
    assert "SUPABASE_SECRET_KEY" in found(api=False)["api"]


def test_it_is_deaf():
    words = found(subscribed=False, seconds=300)["realtime"]
    assert "Not subscribed to wake-ups for 5 min" in words
    assert "every 2 s" in words
    assert "SUPABASE_SECRET_KEY" in words


def test_no_model_is_left():
    words = found(breakers=broken("first", "second"))["models"]
    assert "first, second" in words
    assert "GEMINI_MODELS" in words


async def test_a_loop_that_stands_still_is_not_healthy(monkeypatch):
    heartbeat = Heartbeat()
    client = create_health_app(dict, heartbeat.beats).test_client()
    assert client.get("/healthz").status_code == 200

    moment = time.monotonic() + STILL_SECONDS
    monkeypatch.setattr("worker.vitals.time", SimpleNamespace(monotonic=lambda: moment))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json["status"]) == (503, "stuck")
    assert "start the worker again" in answer.json["problem"]
