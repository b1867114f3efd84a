"""Cost by the version that answered; an unknown price is None, and said once."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from worker.config import WorkerSettings
from worker.model.price_list import HIGHEST, Price
from worker.model.pricing import MOST_WARNINGS, Cost, Prices
from worker.model.usage import MOST_TOKENS
from worker.rows import Usage

MILLION = 1_000_000
TODAY = date(2026, 11, 27)
MOST_DOLLARS = Decimal("999999.99999999")
"""What the ledger's column holds: numeric(14, 8)."""


def price(model: str, dollars: float | str = 1, **others: object) -> Price:
    """The same for all kinds of tokens."""
    figure = Decimal(str(dollars))
    return Price(
        model=model,
        prompt=figure,
        cached=figure,
        output=figure,
        as_of=TODAY,
        source="a test",
        **others,
    )


def found(prices: Prices, model: str, day: date = TODAY) -> tuple[str, bool] | None:
    quote = prices.of(model, day)
    return (quote.price.model, quote.is_estimated) if quote else None


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
def test_cached_tokens_are_cheap_and_thoughts_are_output(usage: Usage, dollars: str) -> None:
    assert Prices.load().cost("gemini-2.5-flash", usage) == (Decimal(dollars), False)


@pytest.mark.parametrize("model", WorkerSettings.model_fields["gemini_models"].default.split(","))
def test_the_default_models_have_a_price_of_their_own(model: str) -> None:
    for day in (TODAY, date(2027, 1, 1), date(2030, 1, 1)):
        assert found(Prices.load(), model, day) == (model, False)


NAMES = ["gemini-3.5-flash", "gemini-3.5-flash-lite", "gemini-3"]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gemini-3.5-flash-lite", "gemini-3.5-flash-lite"),
        ("gemini-3.5-flash-lite-preview-09-2026", "gemini-3.5-flash-lite"),
        ("gemini-3.5-flash-preview-09-2026", "gemini-3.5-flash"),
        ("gemini-3.5-flash-001", "gemini-3.5-flash"),
        ("gemini-3.5-flash-latest", "gemini-3.5-flash"),
        ("gemini-3.5-flash@20260901", "gemini-3.5-flash"),
        ("gemini-3.5-flash:latest", "gemini-3.5-flash"),
        ("models/gemini-3.5-flash", "gemini-3.5-flash"),
        ("publishers/google/models/gemini-3.5-flash-lite-002", "gemini-3.5-flash-lite"),
        (" Models/Gemini-3.5-FLASH-Lite ", "gemini-3.5-flash-lite"),
    ],
)
def test_the_longest_name_that_a_revision_begins_with_is_its_model(model: str, name: str) -> None:
    for order in (NAMES, NAMES[::-1]):
        assert found(Prices(map(price, order)), model) == (name, False)


@pytest.mark.parametrize("model", ["gemini-3.5-flash-image", "gemini-3.5-flash-cyber-001", "gemini-3.5-flash-9b"])
def test_another_word_makes_another_model_whose_cost_is_an_estimate(model: str) -> None:
    prices = Prices(map(price, NAMES))

    assert found(prices, model) == ("gemini-3.5-flash", True)
    cost = prices.cost(model, Usage(1, 0, 1, 0))
    assert cost is not None
    assert cost.is_estimated


@pytest.mark.parametrize(
    "model", ["gemini-3.5-flashier", "gemini-3.50", "gemini-3.5", "gemini", "a-gemini-3", "", "models/"]
)
def test_a_name_ends_where_a_word_ends(model: str) -> None:
    assert found(Prices(map(price, ("gemini-3.5-flash", "gemini-3"))), model) is None


def test_a_price_holds_from_its_day_on() -> None:
    prices = Prices(
        [price("m", 1), price("m", 2, starts_on=date(2027, 1, 1)), price("later", starts_on=date(2027, 1, 1))]
    )

    def dollars(model: str, day: date) -> Decimal | None:
        quote = prices.of(model, day)
        return quote.price.prompt if quote else None

    assert [dollars("m", day) for day in (TODAY, date(2026, 12, 31), date(2027, 1, 1), date(2028, 5, 5))] == [
        1,
        1,
        2,
        2,
    ]
    assert [dollars("later", day) for day in (date(2026, 12, 31), date(2027, 1, 1))] == [None, 1]


def test_what_was_half_price_until_the_end_of_2026_is_not_counted_as_such_afterwards() -> None:
    prices = Prices.load()
    before, after = (prices.of("gemini-3.8-flash", day) for day in (date(2026, 12, 31), date(2027, 1, 1)))

    assert before is not None
    assert after is not None
    assert (after.price.prompt, after.price.output) == (before.price.prompt * 2, before.price.output * 2)


def test_a_guessed_price_makes_estimates() -> None:
    assert found(Prices([price("m", estimated=True)]), "m") == ("m", True)


ENTRY = 'prompt = 1\ncached = 1\noutput = 1\nas_of = 2026-11-01\nsource = "x"\n'


def test_the_operators_prices_win_and_what_they_do_not_name_stays(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(f'[[prices]]\nmodel = "models/Gemini-3.8-Flash"\n{ENTRY}[[prices]]\nmodel = "mine"\n{ENTRY}')

    prices, shipped = Prices.load(own), Prices.load()

    # Also after the day on which the shipped price would change.
    for day in (TODAY, date(2027, 6, 1)):
        quote = prices.of("gemini-3.8-flash", day)
        assert quote is not None
        assert (quote.price.output, quote.is_estimated) == (Decimal(1), False)
    assert found(prices, "mine-001") == ("mine", False)
    assert prices.of("gemini-3.5-flash-lite", TODAY) == shipped.of("gemini-3.5-flash-lite", TODAY)


counts: st.SearchStrategy[int | None] = st.none() | st.integers() | st.integers(-5, 2**31)
dollars = st.decimals(0, HIGHEST, allow_nan=False, allow_infinity=False)


@settings(derandomize=True)
@given(dollars, dollars, dollars, st.builds(Usage, counts, counts, counts, counts))
def test_a_cost_is_never_negative_and_always_fits_the_ledger(
    prompt: Decimal, cached: Decimal, output: Decimal, usage: Usage
) -> None:
    listed = Price(model="m", prompt=prompt, cached=cached, output=output, as_of=TODAY, source="x")

    cost = Prices([listed]).cost("m", usage)

    assert cost is not None
    assert cost.usd.is_finite()
    assert 0 <= cost.usd <= MOST_DOLLARS
    assert 0 <= float(cost.usd) <= MOST_DOLLARS


def test_the_dearest_call_fits_the_ledger() -> None:
    cost = Prices([price("m", HIGHEST)]).cost("m", Usage(*[MOST_TOKENS] * 4))

    assert cost is not None
    assert cost.usd <= MOST_DOLLARS


@pytest.mark.parametrize("version", ["gemini-2.5", "somebody-elses", "", None])
def test_an_unknown_price_is_no_cost_and_said_once(version: str | None) -> None:
    prices = Prices.load()
    with capture_logs() as lines:
        assert [prices.cost(version, Usage(prompt=MILLION)) for _ in range(3)] == [None] * 3

    assert [(line["log_level"], line["action"], line["model"]) for line in lines] == [
        ("warning", "price_unknown", version or "")
    ]


def test_every_unknown_model_is_warned_of() -> None:
    prices = Prices.load()
    with capture_logs() as lines:
        for version in ("one", "two", "one", "models/one"):
            prices.cost(version, Usage())

    assert [line["model"] for line in lines] == ["one", "two"]


@pytest.mark.parametrize("word", ["AIzaSy sentinel", "two words", "x" * 65, "\u202e"])
def test_a_word_that_is_no_name_of_a_model_is_not_logged(word: str) -> None:
    with capture_logs() as lines:
        assert Prices.load().cost(word, Usage()) is None

    assert [line["model"] for line in lines] == [None]


def test_a_provider_with_a_new_name_for_each_call_does_not_fill_the_log() -> None:
    prices = Prices.load()
    with capture_logs() as lines:
        for number in range(MOST_WARNINGS * 2):
            prices.cost(f"model-{number}", Usage())

    assert len(lines) == len(prices._warned) == MOST_WARNINGS


def test_the_offline_model_is_free() -> None:
    assert Prices.load().cost("offline-extractive", Usage(prompt=MILLION, candidates=MILLION)) == Cost(
        Decimal(0), False
    )
