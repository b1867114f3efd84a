"""How many calls may begin: what all workers together send, by a clock that only the test moves."""

import heapq
import itertools
import math
import random

import pytest

from tests.support.clock import Clock
from worker.model import limits
from worker.model.limits import Limiter, RateLimit

LIMIT = 60
MINUTE = 60.0
SIXTY_A_MINUTE = RateLimit(LIMIT, MINUTE)


@pytest.fixture
def clock():
    return Clock()


def sent(limiter):
    """Begin as many calls as may begin now."""
    count = 0
    while limiter.free() > 0:
        limiter.record()
        count += 1
    return count


def most_in_a_window(times, seconds):
    """The largest number of these in any span shorter than so many seconds."""
    times, first, most = sorted(times), 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


class Provider:
    """Takes so many calls in any minute, and refuses all others."""

    def __init__(self, calls):
        self.calls = calls
        self.taken = []

    def takes(self, now):
        self.taken = [each for each in self.taken if each > now - MINUTE]
        if len(self.taken) >= self.calls:
            return False
        self.taken.append(now)
        return True


def saturate(clock, limiters, seconds, step=0.25, provider=None, wish=2.0):
    """All send whenever they may, at once; the times of the calls, and of those that were refused.

    An answer is there half a second later. A worker that is refused sends nothing for the wish of the provider.
    """
    calls, refused, answers, order, shut = [], [], [], itertools.count(), {}
    end = clock.now + seconds
    while clock.now < end:
        while answers and answers[0][0] <= clock.now:
            _, _, limiter, begun_at = heapq.heappop(answers)
            limiter.refused(begun_at, None)
            shut[limiter] = clock.now + wish
        for limiter in random.sample(limiters, len(limiters)):
            most = 50  # places of a worker
            while most and shut.get(limiter, 0) <= clock.now and limiter.free() > 0:
                most -= 1
                limiter.record()
                calls.append(clock.now)
                if provider and not provider.takes(clock.now):
                    refused.append(clock.now)
                    heapq.heappush(answers, (clock.now + 0.5, next(order), limiter, clock.now))
        clock.now += step
    return calls, refused


def fleet(clock, count, limit=SIXTY_A_MINUTE):
    workers = [Limiter(limit, clock) for _ in range(count)]
    for worker in workers:
        worker.set_workers(count)
    return workers


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7, 16, 25])
@pytest.mark.parametrize("step", [0.25, 7.0])
def test_together_they_stay_within_the_limit_and_use_it(clock, workers, step):
    calls, _ = saturate(clock, fleet(clock, workers), 20 * MINUTE, step)

    assert most_in_a_window(calls, MINUTE) <= 1.1 * LIMIT
    if step < 1:  # looking every 7 s only, some of it is missed
        assert len(calls) >= 0.8 * LIMIT * 20


@pytest.mark.parametrize(("limit", "workers"), [(24, 16), (40, 16), (10, 4), (1000, 16), (5, 4), (60, 40), (90, 60)])
def test_it_is_never_passed_where_the_share_is_no_whole_number(clock, limit, workers):
    calls, _ = saturate(clock, fleet(clock, workers, RateLimit(limit, MINUTE)), 10 * MINUTE)

    assert most_in_a_window(calls, MINUTE) <= 1.1 * limit
    assert len(calls) >= 0.5 * limit * 10


def test_more_workers_than_calls_keep_it_on_average(clock):
    calls, _ = saturate(clock, fleet(clock, 16, RateLimit(10, MINUTE)), 100 * MINUTE)

    assert len(calls) <= 1.02 * 10 * 100
    assert most_in_a_window(calls, MINUTE) <= 16


def test_the_window_is_the_one_that_is_set(clock):
    calls, _ = saturate(clock, fleet(clock, 3, RateLimit(60, 3.0)), 60.0, step=0.05)

    assert most_in_a_window(calls, 3.0) <= 66
    assert len(calls) >= 0.8 * 60 * 20


def test_a_worker_that_starts_begins_with_a_tenth(clock):
    """It does not know what the one before it has sent."""
    worker = Limiter(SIXTY_A_MINUTE, clock)
    assert sent(worker) == 6

    clock.now += 30
    assert sent(worker) == 27
    clock.now += 30
    assert sent(worker) == LIMIT - 27, "those of its first moment have left the window"


def test_a_restart_does_not_double_what_is_sent(clock):
    [before] = fleet(clock, 1)
    clock.now += MINUTE
    calls = []
    for _ in range(int(MINUTE)):
        before.record()
        calls.append(clock.now)
        clock.now += 1.0

    after, _ = saturate(clock, [Limiter(SIXTY_A_MINUTE, clock)], 3 * MINUTE)

    assert most_in_a_window([*calls, *after], MINUTE) <= 1.1 * LIMIT + 1


def test_the_share_of_one_that_left_is_used_a_window_later(clock):
    workers = fleet(clock, 4)
    calls, _ = saturate(clock, workers, 3 * MINUTE)
    for worker in workers[:3]:
        worker.set_workers(3)
    more, _ = saturate(clock, workers[:3], 6 * MINUTE)

    assert most_in_a_window([*calls, *more], MINUTE) <= 1.1 * LIMIT
    assert len([each for each in more if each > clock.now - 4 * MINUTE]) >= 0.9 * LIMIT * 4


def test_one_that_joins_takes_from_the_others_at_once(clock):
    old = fleet(clock, 2)
    calls, _ = saturate(clock, old, 3 * MINUTE, step=1.0)
    new = Limiter(SIXTY_A_MINUTE, clock)
    for worker in (*old, new):
        worker.set_workers(3)
    more, _ = saturate(clock, [*old, new], 5 * MINUTE, step=1.0)

    assert most_in_a_window([*calls, *more], MINUTE) <= 1.1 * LIMIT + 3


def test_when_the_next_call_may_begin_is_exact(clock):
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


def test_without_a_limit_nothing_is_held_back(clock):
    limiter = Limiter(None, clock)
    for _ in range(5000):
        limiter.record()

    assert limiter.free() == math.inf
    assert limiter.opens_in() == 0
    assert not limiter.is_full()
    clock.now += 2 * MINUTE
    limiter.record()
    assert len(limiter._calls) == 1, "what is past is forgotten"


def test_a_limit_that_a_refusal_names_is_kept(clock):
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


def test_a_limit_that_is_set_is_not_learned_anew(clock):
    limiter = Limiter(SIXTY_A_MINUTE, clock)
    clock.now += MINUTE
    limiter.refused(clock.now, 1000)
    clock.now += 20 * MINUTE

    assert sent(limiter) <= LIMIT


def test_a_refusal_halves_the_share_once_for_a_burst_and_it_grows_back(clock):
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


def test_however_often_it_is_refused_one_call_in_a_window_is_left(clock):
    limiter = Limiter(SIXTY_A_MINUTE, clock)
    clock.now += MINUTE
    for _ in range(20):
        limiter.record()
        limiter.refused(clock.now, None)
        clock.now += 0.5
    clock.now += MINUTE - 20

    assert sent(limiter) == 1


def test_a_wait_ends_when_the_allowance_grows(clock):
    limiter = after_a_refusal(clock, 40)
    clock.now += MINUTE
    sent(limiter)

    assert 0 < limiter.opens_in() <= limits.PERIOD_WHERE_UNKNOWN * MINUTE + 0.1


def test_a_second_burst_of_refusals_halves_it_again(clock):
    limiter = Limiter(SIXTY_A_MINUTE, clock)
    clock.now += MINUTE
    for _ in range(2):
        assert limiter.free() > 0
        limiter.record()
        limiter.refused(clock.now, None)
        clock.now += 2

    assert sent(limiter) == 15


def after_a_refusal(clock, taken):
    """Of a limiter that knows no limit; the provider took so many calls of it before."""
    limiter = Limiter(None, clock)
    for _ in range(taken + 1):
        limiter.record()
    limiter.refused(clock.now, None)
    return limiter


def test_where_no_limit_is_known_half_of_what_was_taken_may_be_sent_and_slowly_more(clock):
    limiter = after_a_refusal(clock, 40)
    assert limiter.free() == 0
    clock.now += MINUTE
    counts = []
    for _ in range(5):
        counts.append(sent(limiter))
        clock.now += limits.PERIOD_WHERE_UNKNOWN * MINUTE

    # What was used up before the minute was over is worth a tenth, each quarter of a minute another.
    assert counts == [24, 4, 4, 4, 28]


def test_a_burst_that_was_refused_as_a_whole_says_nothing_of_what_is_taken(clock):
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
def test_few_calls_that_were_taken_are_not_halved_to_nothing(clock, workers, least):
    """One answer, and then "again in 2 s": that is no reason to wait for a minute."""
    limiter = Limiter(None, clock)
    limiter.set_workers(workers)
    limiter.record()
    limiter.refused(clock.now, None)

    assert sent(limiter) == least


@pytest.mark.parametrize("windows", [limits.WINDOWS_TO_FORGET, 600])
def test_an_allowance_that_is_not_used_up_does_not_grow_and_is_forgotten(clock, windows):
    limiter = after_a_refusal(clock, 40)
    clock.now += MINUTE
    assert limiter.free() == 20
    clock.now += (limits.WINDOWS_TO_FORGET - 2) * MINUTE
    assert limiter.free() == 20

    clock.now += (windows - limits.WINDOWS_TO_FORGET + 1) * MINUTE
    assert limiter.free() == math.inf


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_an_unknown_limit_is_found_by_its_refusals(clock, workers):
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


@pytest.mark.parametrize("text", ["60/60", " 60 / 60 ", "60/60.0"])
def test_a_rate_is_read(text):
    assert RateLimit.parse(text) == (60, 60.0)


@pytest.mark.parametrize(
    "text", ["", "60", "60/", "/60", "0/60", "60/0", "-1/60", "1.5/60", "60/60/60", "60/m", "nan/1"]
)
def test_a_rate_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="calls/seconds"):
        RateLimit.parse(text)
