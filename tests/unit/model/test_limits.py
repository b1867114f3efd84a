"""How many calls may begin, of one worker: its share, and what it learns from refusals."""

import math

import pytest

from tests.support.clock import Clock
from tests.support.saturation import LIMIT, MINUTE, SIXTY_A_MINUTE, sent
from worker.model import limits
from worker.model.limits import Limiter


def test_a_worker_that_starts_begins_with_a_tenth(clock: Clock) -> None:
    """It does not know what the one before it has sent."""
    worker = Limiter(SIXTY_A_MINUTE, clock)
    assert sent(worker) == 6

    clock.now += 30
    assert sent(worker) == 27
    clock.now += 30
    assert sent(worker) == LIMIT - 27, "those of its first moment have left the window"


def test_when_the_next_call_may_begin_is_exact(clock: Clock) -> None:
    for workers in (1, 4, 16, 100):
        limiter = Limiter(SIXTY_A_MINUTE, clock)
        limiter.set_workers(workers)
        for _ in range(100):
            seconds = limiter.opens_in()
            assert (seconds == 0) == (limiter.free() > 0) == (not limiter.is_full())
            if seconds:
                clock.now += seconds - 0.01
                assert limiter.free() == 0
                clock.now += 0.01
            assert limiter.free() > 0
            limiter.record()


def test_without_a_limit_nothing_is_held_back(clock: Clock) -> None:
    limiter = Limiter(None, clock)
    for _ in range(5000):
        limiter.record()

    assert limiter.free() == math.inf
    assert limiter.opens_in() == 0
    assert not limiter.is_full()
    clock.now += 2 * MINUTE
    limiter.record()
    assert len(limiter._calls) == 1, "what is past is forgotten"


def test_a_limit_that_a_refusal_names_is_kept(clock: Clock) -> None:
    limiter = Limiter(None, clock)
    limiter.set_workers(4)
    begun_at = clock.now
    for _ in range(10):
        limiter.record()
    clock.now += 1

    for _ in range(3):  # of one burst
        limiter.refused(begun_at, 100)

    assert sent(limiter) == 15
    clock.now += 2 * MINUTE
    assert sent(limiter) == 25


def test_a_limit_that_is_set_is_not_learned_anew(clock: Clock) -> None:
    limiter = Limiter(SIXTY_A_MINUTE, clock)
    clock.now += MINUTE
    limiter.refused(clock.now, 1000)
    clock.now += 20 * MINUTE

    assert sent(limiter) <= LIMIT


def test_a_refusal_halves_the_share_once_for_a_burst_and_it_grows_back(clock: Clock) -> None:
    limiter = Limiter(SIXTY_A_MINUTE, clock)
    clock.now += MINUTE
    begun_at = clock.now
    assert sent(limiter) == LIMIT
    clock.now += 1
    for _ in range(20):
        limiter.refused(begun_at, None)

    counts = []
    for _ in range(8):
        clock.now += MINUTE
        counts.append(sent(limiter))
    assert counts == [30, 36, 42, 48, 54, 60, 60, 60]


def test_however_often_it_is_refused_one_call_in_a_window_is_left(clock: Clock) -> None:
    limiter = Limiter(SIXTY_A_MINUTE, clock)
    clock.now += MINUTE
    for _ in range(20):
        limiter.record()
        limiter.refused(clock.now, None)
        clock.now += 0.5
    clock.now += MINUTE - 20

    assert sent(limiter) == 1


def test_a_wait_ends_when_the_allowance_grows(clock: Clock) -> None:
    limiter = after_a_refusal(clock, 40)
    clock.now += MINUTE
    sent(limiter)

    assert 0 < limiter.opens_in() <= limits.PERIOD_WHERE_UNKNOWN * MINUTE + 0.1


def test_a_second_burst_of_refusals_halves_it_again(clock: Clock) -> None:
    limiter = Limiter(SIXTY_A_MINUTE, clock)
    clock.now += MINUTE
    for _ in range(2):
        assert limiter.free() > 0
        limiter.record()
        limiter.refused(clock.now, None)
        clock.now += 2

    assert sent(limiter) == 15


def after_a_refusal(clock: Clock, taken: int) -> Limiter:
    """Of a limiter that knows no limit; the provider took so many calls of it before."""
    limiter = Limiter(None, clock)
    for _ in range(taken + 1):
        limiter.record()
    limiter.refused(clock.now, None)
    return limiter


def test_where_no_limit_is_known_half_of_what_was_taken_may_be_sent_and_slowly_more(clock: Clock) -> None:
    limiter = after_a_refusal(clock, 40)
    assert limiter.free() == 0
    clock.now += MINUTE
    counts = []
    for _ in range(5):
        counts.append(sent(limiter))
        clock.now += limits.PERIOD_WHERE_UNKNOWN * MINUTE

    # What was used up before the minute was over is worth a tenth, each quarter of a minute another.
    assert counts == [24, 4, 4, 4, 28]


def test_a_burst_that_was_refused_as_a_whole_says_nothing_of_what_is_taken(clock: Clock) -> None:
    """Fifty at once, each refused once: they are not put off for minutes."""
    limiter = Limiter(None, clock)
    begun_at = clock.now
    for _ in range(50):
        limiter.record()
    for _ in range(50):
        limiter.refused(begun_at, None)

    assert sent(limiter) == 25
    clock.now += 1.1 * MINUTE
    assert sent(limiter) >= 25


@pytest.mark.parametrize(("workers", "least"), [(1, 10), (4, 2), (16, 1)])
def test_few_calls_that_were_taken_are_not_halved_to_nothing(clock: Clock, workers: int, least: int) -> None:
    """One answer, and then "again in 2 s": that is no reason to wait for a minute."""
    limiter = Limiter(None, clock)
    limiter.set_workers(workers)
    limiter.record()
    limiter.refused(clock.now, None)

    assert sent(limiter) == least


@pytest.mark.parametrize("windows", [limits.WINDOWS_TO_FORGET, 600])
def test_an_allowance_that_is_not_used_up_does_not_grow_and_is_forgotten(clock: Clock, windows: int) -> None:
    limiter = after_a_refusal(clock, 40)
    clock.now += MINUTE
    assert limiter.free() == 20
    clock.now += (limits.WINDOWS_TO_FORGET - 2) * MINUTE
    assert limiter.free() == 20

    clock.now += (windows - limits.WINDOWS_TO_FORGET + 1) * MINUTE
    assert limiter.free() == math.inf
