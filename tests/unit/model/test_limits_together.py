"""What all workers together send stays within the limit and uses it."""

import random

import pytest

from tests.support.clock import Clock
from tests.support.saturation import LIMIT, MINUTE, SIXTY_A_MINUTE, Provider, fleet, most_in_a_window, saturate
from worker.model.limits import Limiter, RateLimit


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7, 16, 25])
@pytest.mark.parametrize("step", [0.25, 7.0])
def test_together_they_stay_within_the_limit_and_use_it(clock: Clock, workers: int, step: float) -> None:
    calls, _ = saturate(clock, fleet(clock, workers), 20 * MINUTE, step)

    assert most_in_a_window(calls, MINUTE) <= 1.1 * LIMIT
    if step < 1:  # looking every 7 s only, some of it is missed
        assert len(calls) >= 0.8 * LIMIT * 20


@pytest.mark.parametrize(("limit", "workers"), [(24, 16), (40, 16), (10, 4), (1000, 16), (5, 4), (60, 40), (90, 60)])
def test_it_is_never_passed_where_the_share_is_no_whole_number(clock: Clock, limit: int, workers: int) -> None:
    calls, _ = saturate(clock, fleet(clock, workers, RateLimit(limit, MINUTE)), 10 * MINUTE)

    assert most_in_a_window(calls, MINUTE) <= 1.1 * limit
    assert len(calls) >= 0.5 * limit * 10


def test_more_workers_than_calls_keep_it_on_average(clock: Clock) -> None:
    calls, _ = saturate(clock, fleet(clock, 16, RateLimit(10, MINUTE)), 100 * MINUTE)

    assert len(calls) <= 1.02 * 10 * 100
    assert most_in_a_window(calls, MINUTE) <= 16


def test_the_window_is_the_one_that_is_set(clock: Clock) -> None:
    calls, _ = saturate(clock, fleet(clock, 3, RateLimit(60, 3.0)), 60.0, step=0.05)

    assert most_in_a_window(calls, 3.0) <= 66
    assert len(calls) >= 0.8 * 60 * 20


def test_a_restart_does_not_double_what_is_sent(clock: Clock) -> None:
    [before] = fleet(clock, 1)
    clock.now += MINUTE
    calls = []
    for _ in range(int(MINUTE)):
        before.record()
        calls.append(clock.now)
        clock.now += 1.0

    after, _ = saturate(clock, [Limiter(SIXTY_A_MINUTE, clock)], 3 * MINUTE)

    assert most_in_a_window([*calls, *after], MINUTE) <= 1.1 * LIMIT + 1


def test_the_share_of_one_that_left_is_used_a_window_later(clock: Clock) -> None:
    workers = fleet(clock, 4)
    calls, _ = saturate(clock, workers, 3 * MINUTE)
    for worker in workers[:3]:
        worker.set_workers(3)
    more, _ = saturate(clock, workers[:3], 6 * MINUTE)

    assert most_in_a_window([*calls, *more], MINUTE) <= 1.1 * LIMIT
    assert len([each for each in more if each > clock.now - 4 * MINUTE]) >= 0.9 * LIMIT * 4


def test_one_that_joins_takes_from_the_others_at_once(clock: Clock) -> None:
    old = fleet(clock, 2)
    calls, _ = saturate(clock, old, 3 * MINUTE, step=1.0)
    new = Limiter(SIXTY_A_MINUTE, clock)
    for worker in (*old, new):
        worker.set_workers(3)
    more, _ = saturate(clock, [*old, new], 5 * MINUTE, step=1.0)

    assert most_in_a_window([*calls, *more], MINUTE) <= 1.1 * LIMIT + 3


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_an_unknown_limit_is_found_by_its_refusals(clock: Clock, workers: int) -> None:
    """After the burst that finds it, what is sent goes over it by little, and most of it is used."""
    random.seed(workers)
    provider = Provider(LIMIT)
    limiters = fleet(clock, workers, None)
    saturate(clock, limiters, 5 * MINUTE, provider=provider)
    calls, refused = saturate(clock, limiters, 60 * MINUTE, provider=provider)

    minutes = 60
    print(
        f"{workers} workers, from minute 5 to 65: most in a minute {most_in_a_window(calls, MINUTE)} of {LIMIT}, "
        f"refused {len(refused)} of {len(calls)}, taken {(len(calls) - len(refused)) / minutes:.1f} a minute"
    )
    assert most_in_a_window(calls, MINUTE) <= 1.3 * LIMIT
    assert len(refused) <= 0.15 * len(calls)
    assert len(calls) - len(refused) >= 0.8 * LIMIT * minutes
