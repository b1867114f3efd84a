"""Which models are asked, how often, and for how long."""

import pytest

from tests.support.environment import Environment
from worker.config import WorkerSettings, load
from worker.errors import ConfigError


def test_models_are_a_list_in_order(environment: Environment) -> None:
    environment(GEMINI_MODELS=" one, two,,three ")

    assert load(WorkerSettings).models == ["one", "two", "three"]


def test_a_list_without_a_model_is_refused(environment: Environment) -> None:
    environment(GEMINI_MODELS=" , ")

    with pytest.raises(ConfigError, match="GEMINI_MODELS"):
        load(WorkerSettings)


@pytest.mark.parametrize(("text", "rate"), [("60/60", (60, 60.0)), ("15 / 0.5", (15, 0.5)), ("", None), (None, None)])
def test_the_limit_of_calls_is_a_number_in_so_many_seconds(
    environment: Environment, text: str | None, rate: tuple[int, float] | None
) -> None:
    environment(GEMINI_RATE_LIMIT=text)

    assert load(WorkerSettings).rate_limit == rate


@pytest.mark.parametrize("text", ["60", "60/minute", "0/60", "60/0", "-1/60", "60/60/60"])
def test_a_limit_of_another_form_is_refused_with_an_example(environment: Environment, text: str) -> None:
    environment(GEMINI_RATE_LIMIT=text)

    with pytest.raises(ConfigError, match=r"GEMINI_RATE_LIMIT: .*the form calls/seconds.* such as 60/60"):
        load(WorkerSettings)


def test_a_question_waits_ten_minutes_unless_told_otherwise(environment: Environment) -> None:
    environment()
    assert load(WorkerSettings).reply_max_wait_seconds == 600

    environment(REPLY_MAX_WAIT_SECONDS="7.5")
    assert load(WorkerSettings).reply_max_wait_seconds == 7.5

    environment(REPLY_MAX_WAIT_SECONDS="0")
    with pytest.raises(ConfigError, match="REPLY_MAX_WAIT_SECONDS"):
        load(WorkerSettings)


@pytest.mark.parametrize("seconds", ["5", "0.5", "9.99", "0", "-1"])
def test_a_deadline_that_gemini_refuses_is_refused_at_start(environment: Environment, seconds: str) -> None:
    environment(REPLY_DEADLINE_SECONDS=seconds, MODEL_FIRST_TOKEN_SECONDS="0.1")

    with pytest.raises(
        ConfigError, match=r"REPLY_DEADLINE_SECONDS: .*greater than or equal to 10.*refuses every call"
    ):
        load(WorkerSettings)


def test_the_shortest_deadline(environment: Environment) -> None:
    environment(REPLY_DEADLINE_SECONDS="10", MODEL_FIRST_TOKEN_SECONDS="10")

    assert load(WorkerSettings).reply_deadline_seconds == 10


@pytest.mark.parametrize(("deadline", "first"), [("14", None), ("30", "31"), (None, "121")])
def test_a_first_word_later_than_the_deadline_is_refused(
    environment: Environment, deadline: str | None, first: str | None
) -> None:
    environment(REPLY_DEADLINE_SECONDS=deadline, MODEL_FIRST_TOKEN_SECONDS=first)

    with pytest.raises(ConfigError, match=r"MODEL_FIRST_TOKEN_SECONDS: .*not be above REPLY_DEADLINE_SECONDS, which"):
        load(WorkerSettings)


def test_of_a_deadline_that_cannot_be_read_only_that_is_told(environment: Environment) -> None:
    environment(REPLY_DEADLINE_SECONDS="soon")

    with pytest.raises(ConfigError) as caught:
        load(WorkerSettings)

    assert str(caught.value).count("\n") == 1
