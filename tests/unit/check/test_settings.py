"""Settings that can be read and make no sense."""

from typing import Any

import pytest

from worker.check.settings import is_local, judge
from worker.config import WorkerSettings

GOOD = {"supabase_url": "https://abc.supabase.co", "supabase_secret_key": "sb_secret_x", "gemini_api_key": "x"}


def judged(**settings: Any) -> list[tuple[str, str]]:
    made = WorkerSettings(_env_file=None, **{**GOOD, **settings})
    return [(finding.level, finding.words) for finding in judge(made)]


def test_the_defaults_make_sense() -> None:
    assert judged() == [("ok", "The worker's settings make sense together.")]


@pytest.mark.parametrize(
    ("settings", "level", "words"),
    [
        ({"supabase_url": "http://abc.supabase.co"}, "problem", "in plain text"),
        ({"supabase_url": "https://abc.supabase.co/rest/v1/"}, "problem", "more than a host: /rest/v1/"),
        ({"sweep_seconds": 61}, "warning", "SWEEP_SECONDS is 61"),
        ({"sweep_seconds": 1}, "warning", "DEGRADED_SWEEP_SECONDS is more"),
        ({"lease_seconds": 121}, "warning", "LEASE_SECONDS is 121"),
        ({"realtime_messages_per_second": 400}, "warning", "the Free plan closes channels above 100"),
        ({"gemini_models": "a,b,a"}, "warning", "names a model twice"),
    ],
)
def test_what_is_odd_is_named(settings: dict[str, Any], level: str, words: str) -> None:
    [(found, sentence)] = judged(**settings)
    assert found == level
    assert words in sentence


@pytest.mark.parametrize("url", ["http://127.0.0.1:54321", "http://localhost:54321", "http://[::1]:54321"])
def test_a_local_stack_may_be_plain_and_fast(url: str) -> None:
    assert is_local(url)
    assert judged(supabase_url=url, realtime_messages_per_second=400)[0][0] == "ok"


@pytest.mark.parametrize("url", ["https://abc.supabase.co", "http://localhost.example.com", "http://10.0.0.1"])
def test_other_machines_are_not_local(url: str) -> None:
    assert not is_local(url)
