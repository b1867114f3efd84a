"""Cost by the version that answered; an unknown price is None, and said once."""

from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from worker import pricing
from worker.models import Usage

MILLION = 1_000_000


@pytest.fixture(autouse=True)
def _nothing_warned_yet(monkeypatch):
    monkeypatch.setattr(pricing, "_warned", set())


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(prompt=0, candidates=0), "0"),
        (Usage(prompt=MILLION, candidates=0), "0.30"),
        (Usage(prompt=0, candidates=MILLION), "2.50"),
        (Usage(prompt=0, candidates=0, thoughts=MILLION), "2.50"),
        (Usage(prompt=MILLION, cached=MILLION, candidates=0), "0.03"),
        (Usage(prompt=MILLION, cached=400_000, candidates=0), "0.192"),
        (Usage(prompt=1_000, cached=200, candidates=300, thoughts=50), "0.001121"),
    ],
)
def test_cached_tokens_are_cheap_and_thoughts_are_output(usage, dollars):
    assert pricing.cost("gemini-2.5-flash", usage) == Decimal(dollars)


@pytest.mark.parametrize(
    "usage", [Usage(), Usage(prompt=10), Usage(candidates=10), Usage(cached=10), Usage(thoughts=10)]
)
def test_a_call_of_which_only_a_part_is_told_has_no_cost(usage):
    """Unknown, and not nothing."""
    with capture_logs() as lines:
        assert pricing.cost("gemini-2.5-flash", usage) is None

    assert lines == []


@pytest.mark.parametrize(
    "version", ["gemini-2.5-flash-001", "models/gemini-2.5-flash", "models/gemini-3.5-flash-lite-002"]
)
def test_a_prefix_and_a_revision_do_not_matter(version):
    assert pricing.cost(version, Usage(prompt=MILLION, candidates=0)) == Decimal("0.30")


@pytest.mark.parametrize(
    "version",
    [
        "gemini-2.5-flash-lite",
        "gemini-2.5-flash-image",
        "gemini-2.5-flash-preview-09-2025",
        "gemini-3.8-flash",
        "gemini-2.5",
        "",
        None,
    ],
)
def test_another_model_is_not_taken_for_one_that_is_known(version):
    with capture_logs() as lines:
        assert [pricing.cost(version, Usage(prompt=MILLION)) for _ in range(3)] == [None] * 3

    assert [(line["log_level"], line["action"], line["model"]) for line in lines] == [
        ("warning", "price_unknown", version or "")
    ]


def test_every_unknown_model_is_warned_of():
    with capture_logs() as lines:
        for version in ("one", "two", "one", "one-001"):
            pricing.cost(version, Usage())

    assert [line["model"] for line in lines] == ["one", "two"]


@pytest.mark.parametrize("word", ["AIzaSySentinel", "two words", "x" * 65, "\u202e"])
def test_a_word_that_is_no_name_of_a_model_is_not_logged(word):
    with capture_logs() as lines:
        assert pricing.cost(word, Usage()) is None

    assert [line["model"] for line in lines] == [None]


def test_a_provider_with_a_new_name_for_each_call_does_not_fill_the_log():
    with capture_logs() as lines:
        for number in range(pricing.MOST_WARNINGS * 2):
            pricing.cost(f"model-{number}", Usage())

    assert len(lines) == len(pricing._warned) == pricing.MOST_WARNINGS


def test_the_offline_model_is_free():
    assert pricing.cost("offline-extractive", Usage(prompt=MILLION, candidates=MILLION)) == 0
