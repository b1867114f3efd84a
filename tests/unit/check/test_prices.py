"""The check says what each model costs; a price that is guessed or missing, with what to do about it."""

from datetime import date
from typing import Any

import pytest

from tests.support.scripted_model import Script, ScriptedModel, chunk, refuses, says
from worker.check import models, prices
from worker.check.findings import Finding
from worker.config import WorkerSettings
from worker.model.price_list import Price
from worker.model.pricing import Prices


def known(**others: Any) -> Prices:
    return Prices([Price(model="m", prompt=1, cached=0, output=2, as_of=date(2026, 11, 1), source="x", **others)])


def test_a_known_price_is_told_with_its_day() -> None:
    finding = prices.judge(known(), "m-001")

    assert (finding.level, finding.subject, finding.remedy) == ("ok", "price", "")
    assert finding.words.startswith("m-001: 1 dollars for a million tokens of the prompt")
    assert finding.words.endswith("as of 2026-11-01.")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (prices.judge(known(), "n"), "No price is known for n: what it costs stays empty"),
        (prices.judge(known(), "m-image"), "No price is known for m-image. Its cost is estimated by that of m: "),
        (prices.judge(known(estimated=True), "m"), "The price of m is a guess: "),
    ],
)
def test_one_that_is_guessed_or_missing_is_a_warning_and_says_how_to_mend_it(found: Finding, words: str) -> None:
    assert found.level == "warning"
    assert found.words.startswith(words)
    assert "GEMINI_PRICES_FILE" in found.remedy


async def asked(script: Script, named: str) -> list[tuple[str, str]]:
    """Level and subject of each finding."""
    async with ScriptedModel(script) as server:
        settings = WorkerSettings(
            _env_file=None,
            supabase_url="http://unused",
            supabase_secret_key="unused",
            gemini_api_key="unused",
            gemini_base_url=server.url,
            gemini_models=named,
        )
        return [(each.level, each.subject) for each in await models.ask(settings)]


async def test_the_price_is_that_of_the_version_that_answers() -> None:
    answer = says({**chunk("ready", "STOP"), "modelVersion": "somebody-elses"})

    found = await asked(answer, named="gemini-3.5-flash-lite")

    assert found == [("ok", "model"), ("warning", "price")]


async def test_where_no_model_answers_the_price_of_its_name_is_looked_at() -> None:
    found = await asked(refuses(503, "UNAVAILABLE"), named="gemini-3.5-flash-lite,mine")

    assert sorted(found) == [
        ("ok", "price"),
        ("problem", "model"),
        ("problem", "model"),
        ("warning", "price"),
    ]


async def test_models_that_are_answered_by_the_same_version_have_one_price() -> None:
    found = await asked(says(chunk("ready", "STOP")), named="gemini-3.5-flash-lite,gemini-3.8-flash")

    assert found == [("ok", "model"), ("ok", "price"), ("ok", "model")]
