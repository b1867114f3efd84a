"""What may be sent now, by a clock of the test's own."""

import pytest

from worker.realtime import allowance
from worker.realtime.allowance import Allowance


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(allowance, "time", clock)
    return clock


def test_a_seconds_worth_is_there_from_the_start_and_never_more(clock: Clock) -> None:
    of_ten = Allowance(10)
    clock.now += 60
    assert of_ten.affords() == 10


def test_what_is_spent_comes_back_by_the_second(clock: Clock) -> None:
    of_ten = Allowance(10)
    of_ten.spend(10)
    assert of_ten.affords() == 0
    clock.now += 0.5
    assert of_ten.affords() == pytest.approx(5)


def test_a_debt_is_paid_before_anything_else(clock: Clock) -> None:
    of_ten = Allowance(10)
    of_ten.spend(30)
    assert of_ten.seconds_until(2) == pytest.approx(2.2)
    clock.now += 2.2
    assert of_ten.affords() == pytest.approx(2)
    assert of_ten.seconds_until(2) == pytest.approx(0, abs=1e-9)
