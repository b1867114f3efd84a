"""Settings are read from the environment and .env; all problems are told at once, by name."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.support.environment import GOOD, KEY, SECRET, Environment
from worker.config import WebSettings, WorkerSettings, load
from worker.errors import ConfigError


def test_the_environment_is_read(environment: Environment) -> None:
    environment(WORKER_CONCURRENCY="7", LEASE_SECONDS="4.5")

    settings = load(WorkerSettings)

    assert settings.supabase_url == "https://abc.supabase.co"
    assert settings.supabase_secret_key.get_secret_value() == SECRET
    assert settings.gemini_api_key.get_secret_value() == KEY
    assert (settings.worker_concurrency, settings.lease_seconds) == (7, 4.5)


def test_dot_env_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [*(f"{name}={value}" for name, value in GOOD.items()), "HEALTH_PORT=1", "WORKER_CONCURRENCY=3"]
    (tmp_path / ".env").write_text("\n".join([*lines, "SOMETHING_ELSE=x"]))
    monkeypatch.setenv("HEALTH_PORT", "2")

    settings = load(WorkerSettings)

    assert (settings.health_port, settings.worker_concurrency) == (2, 3)


def test_an_empty_value_is_no_value(environment: Environment) -> None:
    environment(WORKER_CONCURRENCY="", GEMINI_BASE_URL="", GEMINI_API_KEY="")

    with pytest.raises(ConfigError, match="GEMINI_API_KEY: Field required") as caught:
        load(WorkerSettings)

    assert str(caught.value).count("\n") == 1


def test_all_problems_are_told_at_once_by_name_and_purpose(environment: Environment) -> None:
    environment(
        SUPABASE_URL="abc.supabase.co",
        SUPABASE_SECRET_KEY=None,
        GEMINI_BASE_URL="localhost:54324",
        WORKER_CONCURRENCY="0",
        LEASE_SECONDS="soon",
        HEALTH_PORT="65536",
    )

    with pytest.raises(ConfigError) as caught:
        load(WorkerSettings)

    lines = str(caught.value).splitlines()[1:]
    assert [line.strip().split(":")[0] for line in lines] == [
        "SUPABASE_URL",
        "SUPABASE_SECRET_KEY",
        "GEMINI_BASE_URL",
        "WORKER_CONCURRENCY",
        "LEASE_SECONDS",
        "HEALTH_PORT",
    ]
    assert "sb_secret_…; it stays in the worker." in lines[1]


@pytest.mark.parametrize("replies", ["0", "401"])
def test_a_worker_answers_a_bounded_number_of_replies_at_the_same_time(
    environment: Environment, replies: str
) -> None:
    environment(WORKER_CONCURRENCY="400")
    assert load(WorkerSettings).worker_concurrency == 400

    environment(WORKER_CONCURRENCY=replies)
    with pytest.raises(ConfigError, match="WORKER_CONCURRENCY"):
        load(WorkerSettings)


def test_settings_are_frozen(environment: Environment) -> None:
    environment()
    settings = load(WorkerSettings)

    with pytest.raises(ValidationError, match="frozen"):
        settings.worker_concurrency = 1


@pytest.mark.parametrize("kind", [WorkerSettings, WebSettings])
@pytest.mark.parametrize("name", ["SUPABASE_URL", "HEALTH_PORT", "WEB_PORT"])
def test_each_command_asks_only_for_its_own(
    environment: Environment, kind: type[WorkerSettings | WebSettings], name: str
) -> None:
    environment(**{name: "nonsense"})

    if name.lower() in kind.model_fields:
        with pytest.raises(ConfigError, match=name):
            load(kind)
    else:
        load(kind)


@pytest.mark.parametrize(
    ("kind", "name", "value", "words"),
    [
        (WorkerSettings, "SUPABASE_URL", "abc.supabase.co", "It must begin with http:// or https://. The project"),
        (WorkerSettings, "GEMINI_MODELS", ",", "It names nothing. Models"),
        (WebSettings, "SUPABASE_PUBLISHABLE_KEY", "nonsense", "It must begin with sb_publishable_, or be"),
        (WorkerSettings, "GEMINI_RATE_LIMIT", "60", "GEMINI_RATE_LIMIT: [A-Z].*calls/seconds"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_no_pattern(
    environment: Environment, kind: type[WorkerSettings | WebSettings], name: str, value: str, words: str
) -> None:
    environment(**{name: value})

    with pytest.raises(ConfigError, match=words) as caught:
        load(kind)
    assert "pattern" not in str(caught.value)
    assert "Value error" not in str(caught.value)
