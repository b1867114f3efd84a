"""Prices as data: what makes no sense is refused, and the sentence names the place."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from worker.config import WorkerSettings, load
from worker.errors import ConfigError
from worker.model import price_list

GOOD = {
    "model": '"mine"',
    "prompt": "0.30",
    "cached": "0",
    "output": "2.50",
    "as_of": "2026-11-01",
    "source": '"our contract"',
}


def entry(**changes: str | None) -> str:
    """One price in TOML; None takes a key away."""
    lines = {**GOOD, **changes}
    return "[[prices]]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None)


def refusal(file: Path, content: str | bytes) -> str:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=str(file)) as caught:
        price_list.read(file)
    assert type(caught.value) is ValueError
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def test_figures_are_exact(file: Path) -> None:
    file.write_text(entry() + entry(model='"other"', prompt="1_0", estimated="true", starts_on="2027-01-01"))

    first, second = price_list.read(file)

    assert (first.prompt, first.cached, first.output) == (Decimal("0.30"), Decimal(0), Decimal("2.50"))
    assert (first.as_of, first.starts_on, first.estimated) == (date(2026, 11, 1), None, False)
    assert (second.prompt, second.estimated, second.starts_on) == (Decimal(10), True, date(2027, 1, 1))


@pytest.mark.parametrize("figure", ["-0.01", "-1", "nan", "-nan", "inf", "-inf", "500.01", "1e30", "9" * 400])
@pytest.mark.parametrize("key", ["prompt", "cached", "output"])
def test_a_figure_that_is_no_price_is_refused_by_its_place(file: Path, key: str, figure: str) -> None:
    words = refusal(file, entry() + entry(model='"other"', **{key: figure}))

    assert f"price 2 (other), {key}: " in words
    assert "price 1" not in words


@pytest.mark.parametrize("value", ['"0.30"', "true", "[1]", "{}", "2026-11-01"])
@pytest.mark.parametrize("key", ["prompt", "cached", "output"])
def test_what_is_no_number_is_refused(file: Path, key: str, value: str) -> None:
    assert f"price 1 (mine), {key}: It must be a number" in refusal(file, entry(**{key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, None) for key in GOOD if key != "model"),
        ("as_of", '"2026-11-01"'),
        ("as_of", "20261101"),
        ("as_of", "2026-11-01T00:00:00Z"),
        ("starts_on", "true"),
        ("source", '""'),
        ("source", "7"),
        ("estimated", '"yes"'),
        ("estimated", "1"),
        ("outputs", "2.50"),
    ],
)
def test_every_other_slip_is_refused_by_its_key(file: Path, key: str, value: str | None) -> None:
    assert f"price 1 (mine), {key}: " in refusal(file, entry(**{key: value}))


@pytest.mark.parametrize("model", [None, '""', '"gemini-"', '"two words"', "7", '"' + "x" * 101 + '"'])
def test_a_model_has_a_name(file: Path, model: str | None) -> None:
    assert ", model: " in refusal(file, entry(model=model))


def test_all_slips_are_told_at_once(file: Path) -> None:
    words = refusal(file, entry(prompt="-1", outputs="1") + entry(model='"other"', cached="nan"))

    for place in ("price 1 (mine), prompt", "price 1 (mine), outputs", "price 2 (other), cached"):
        assert place in words


def test_a_model_has_one_price_on_a_day(file: Path) -> None:
    assert "Two prices of mine" in refusal(file, entry() + entry(model='"models/MINE"'))
    assert "Two prices of mine" in refusal(file, entry(starts_on="2027-01-01") * 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[[prices]]\nmodel = x\n", "line 2"),
        ("[[prices]]\nprompt = 1e99999999999999999999\n", "is not TOML"),
        ("[[prices]]\nprompt = " + "9" * 5000, "is not TOML"),
        ("x = " + "[" * 100_000, "is not TOML"),
        (b"\xff", "not UTF-8"),
        ("", "prices: Field required"),
        ("prices = 7", "prices: "),
        ("prices = [7]", "price 1: "),
        (entry() + "[models]\n", "models: "),
        (f"price = 1\n{entry()}", "price: "),
    ],
)
def test_another_form_is_refused(file: Path, content: str | bytes, words: str) -> None:
    assert words in refusal(file, content)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ValueError, match="cannot be read"):
            price_list.read(path)


@settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(b"")
@given(st.binary() | st.text().map(str.encode) | st.text().map(lambda word: entry(source=word, model=word).encode()))
def test_any_file_is_a_list_or_refused_with_a_sentence(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        prices = price_list.read(file)
    except ValueError as error:
        assert type(error) is ValueError
        assert str(error).startswith(f"{file}")
    else:
        assert all(price.prompt >= 0 for price in prices)


NEEDED = {"SUPABASE_URL": "https://abc.supabase.co", "SUPABASE_SECRET_KEY": "x", "GEMINI_API_KEY": "x"}


@pytest.fixture
def _needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_needed")
def test_a_bad_file_is_refused_at_start(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(entry(output="-2.50"))
    monkeypatch.setenv("GEMINI_PRICES_FILE", str(file))
    monkeypatch.setenv("HEALTH_PORT", "none")

    with pytest.raises(ConfigError) as caught:
        load(WorkerSettings)

    [line] = [line for line in str(caught.value).splitlines() if "GEMINI_PRICES_FILE" in line]
    assert f"GEMINI_PRICES_FILE: {file}: price 1 (mine), output: " in line
    assert "HEALTH_PORT" in str(caught.value), "with all other problems"


@pytest.mark.usefixtures("_needed")
@pytest.mark.parametrize("value", ["mine.toml", "./mine.toml"])
def test_its_prices_are_those_of_the_settings(file: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    file.write_text(entry())
    monkeypatch.setenv("GEMINI_PRICES_FILE", value)

    quote = load(WorkerSettings).prices.of("mine")

    assert quote is not None
    assert quote.price.source == "our contract"


@pytest.mark.usefixtures("_needed")
def test_without_it_the_shipped_prices_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_PRICES_FILE", "")

    assert load(WorkerSettings).prices.of("mine") is None
    assert load(WorkerSettings).prices.of("gemini-3.5-flash-lite") is not None
