"""How far clocks are apart, and when that matters."""

import pytest

from worker.check import clocks


def test_the_other_side_looked_at_its_clock_in_the_middle_of_the_call() -> None:
    times = iter([100.0, 104.0])
    assert clocks.Stopwatch(lambda: next(times)).middle == 102.0


def test_a_date_header_has_whole_seconds() -> None:
    here = 1_800_000_000.9  # the header's second began 0.9 s ago
    assert clocks.ahead_by_date("Fri, 15 Jan 2027 08:00:00 GMT", here) == pytest.approx(-0.4)


@pytest.mark.parametrize("header", [None, "", "soon"])
def test_no_date_no_judgement(header: str | None) -> None:
    assert clocks.judge("The API's", clocks.ahead_by_date(header, 0.0)).level == "skipped"


def test_the_database_tells_its_zone() -> None:
    assert clocks.ahead_by_time("2027-01-15T10:00:02.5+02:00", 1_800_000_000.0) == 2.5


@pytest.mark.parametrize(
    ("ahead", "level"),
    [
        (0.0, "ok"),
        (4.9, "ok"),
        (-4.9, "ok"),
        (5.0, "warning"),
        (-59.0, "warning"),
        (60.0, "problem"),
        (-3600.0, "problem"),
    ],
)
def test_small_differences_do_not_matter(ahead: float, level: str) -> None:
    assert clocks.judge("The API's", ahead).level == level


def test_the_direction_is_told() -> None:
    assert "90 s ahead of" in clocks.judge("The API's", 90.0).words
    assert "90 s behind" in clocks.judge("The API's", -90.0).words
