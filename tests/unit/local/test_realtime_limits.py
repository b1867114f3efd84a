"""Rates are averages that are judged at the end of each tick; other limits are plain counts."""

from typing import Any

import pytest

from worker.local.realtime.limits import Limits, Rate, TooMany
from worker.local.realtime.settings import Settings


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limits(**settings: Any) -> Limits:
    return Limits(Settings(database_url="", jwt_secret="", publishable_key="", secret_key="", **settings))


def test_a_rate_is_judged_at_the_end_of_its_tick(clock: Clock) -> None:
    rate = Rate(100, 5.0, clock)
    rate.add(1000)
    assert not rate.exceeded
    clock.now = 5.0
    assert rate.average == 1000 / 2 / 5  # the tick before the first counts as an empty one
    assert rate.exceeded


def test_a_rate_forgets_what_is_older_than_twelve_ticks(clock: Clock) -> None:
    rate = Rate(100, 5.0, clock)
    rate.add(6000)
    clock.now = 59.0
    assert rate.average > 0
    clock.now = 65.0
    assert rate.average == 0


def test_a_burst_after_a_quiet_minute_passes(clock: Clock) -> None:
    rate = Rate(100, 5.0, clock)
    clock.now = 60.0
    rate.add(5999)
    clock.now = 65.0
    assert not rate.exceeded


def test_a_batch_must_fit_into_what_is_left(clock: Clock) -> None:
    project = limits(max_events_per_second=10, rate_tick_ms=1000)
    project.events = Rate(10, 1.0, clock)
    project.check_batch(10)
    with pytest.raises(TooMany, match="reduce the batch size"):
        project.check_batch(11)
    project.events.add(40)
    clock.now = 1.0
    with pytest.raises(TooMany, match="exceeded your rate limit"):
        project.check_batch(1)


def test_a_socket_that_is_counted_stays_in() -> None:
    project = limits(max_concurrent_users=1)
    project.add_user("one")
    assert project.has_room_for("one")
    assert not project.has_room_for("two")
    project.remove_user("one")
    assert project.has_room_for("two")


def test_a_payload_may_be_as_large_as_the_limit_and_a_little_more() -> None:
    project = limits(max_payload_size_kb=1)
    assert project.fits(b"x" * 1500)
    assert not project.fits("x" * 1501)


def test_one_message_is_sent_until_the_limit_is_reached(clock: Clock) -> None:
    """2.129.8, lib/realtime/tenants/single_broadcast.ex: a batch must fit under it, one message need not."""
    project = limits(max_events_per_second=3, rate_tick_ms=1000)
    project.events = Rate(3, 1.0, clock)
    project.events.add(5)
    clock.now = 1.0
    assert 2 < project.events.average < 3
    project.check_one()
    with pytest.raises(TooMany):
        project.check_batch(1)
    project.events.add(20)
    clock.now = 2.0
    with pytest.raises(TooMany, match="You have exceeded your rate limit"):
        project.check_one()
