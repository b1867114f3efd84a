"""Models that refuse, and clocks that are wrong."""

import re
from typing import Any

import pytest

from tests.support.check_command import Check, the_problem, told
from tests.support.faulty_model import FaultyModel
from tests.support.gateway import gateway
from worker.local.stack import Stack

# What the check asks of a model: a mark by which a fault meets its calls and no others.
ASKED = "Answer with the word: ready."


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 404}, "There is no model gemini-nowhere. Correct GEMINI_MODELS."),
        (
            {"status": 400, "message": "API key not valid. Please pass a valid API key."},
            "The provider refuses GEMINI_API_KEY for gemini-nowhere (400 INVALID_ARGUMENT).",
        ),
        ({"status": 403}, "The provider refuses GEMINI_API_KEY for gemini-nowhere (403 PERMISSION_DENIED)."),
    ],
    ids=["unknown", "key not valid", "key not allowed"],
)
def test_a_model_that_refuses(check: Check, faulty_model: FaultyModel, fault: dict[str, Any], words: str) -> None:
    faulty_model.add("refuse", question=ASKED, model="gemini-nowhere", **fault)

    result = check(GEMINI_MODELS="gemini-3.8-flash,gemini-nowhere")

    assert the_problem(result).startswith(words)
    assert "gemini-3.8-flash answers, as offline-extractive." in told(result[1], "ok")


def test_a_limit_of_the_model_is_a_warning(check: Check, faulty_model: FaultyModel) -> None:
    faulty_model.add("refuse", question=ASKED, status=429, quota="minute")

    status, findings = check(GEMINI_MODELS="gemini-3.8-flash")

    assert status == 0
    [warning] = told(findings, "warning")
    assert warning.startswith("gemini-3.8-flash is there, and this key's limit is reached")


@pytest.mark.parametrize(
    ("ahead", "level", "words"),
    [
        (3600, "problem", "The API's clock is 3600 s ahead of this machine's."),
        (-3600, "problem", "The API's clock is 3600 s behind this machine's."),
        (30, "warning", "The API's clock is 30 s ahead of this machine's."),
    ],
)
def test_a_clock_is_wrong(check: Check, whole_house: Stack, ahead: int, level: str, words: str) -> None:
    with gateway(whole_house.ports.api, seconds_ahead=ahead) as url:
        status, findings = check(SUPABASE_URL=url)

    assert status == (1 if level == "problem" else 0)
    [finding] = told(findings, "problem", "warning")
    about = re.compile(words.replace(str(abs(ahead)), r"(\d+)"))
    seconds = about.match(finding)
    assert seconds is not None, finding
    assert abs(int(seconds[1]) - abs(ahead)) <= 2
    assert finding in told(findings, level)
    assert "The database's clock agrees with this machine's." in told(findings, "ok")
