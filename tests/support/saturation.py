"""Workers that send calls whenever they may, and a provider that refuses what is too much."""

import heapq
import itertools
import random

from tests.support.clock import Clock
from worker.model.limits import Limiter, RateLimit

LIMIT = 60
MINUTE = 60.0
SIXTY_A_MINUTE = RateLimit(LIMIT, MINUTE)


def sent(limiter: Limiter) -> int:
    """Begin as many calls as may begin now."""
    count = 0
    while limiter.free() > 0:
        limiter.record()
        count += 1
    return count


def most_in_a_window(times: list[float], seconds: float) -> int:
    """The largest number of these in any span shorter than so many seconds."""
    times, first, most = sorted(times), 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


class Provider:
    """Takes so many calls in any minute, and refuses all others."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.taken: list[float] = []

    def takes(self, now: float) -> bool:
        self.taken = [each for each in self.taken if each > now - MINUTE]
        if len(self.taken) >= self.calls:
            return False
        self.taken.append(now)
        return True


def saturate(
    clock: Clock,
    limiters: list[Limiter],
    seconds: float,
    step: float = 0.5,
    provider: Provider | None = None,
    wish: float = 2.0,
) -> tuple[list[float], list[float]]:
    """All send whenever they may, at once; the times of the calls, and of those that were refused.

    An answer is there half a second later. A worker that is refused sends nothing for the wish of the provider.
    """
    calls: list[float] = []
    refused: list[float] = []
    answers: list[tuple[float, int, Limiter, float]] = []
    order = itertools.count()
    shut: dict[Limiter, float] = {}
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


def fleet(clock: Clock, count: int, limit: RateLimit | None = SIXTY_A_MINUTE) -> list[Limiter]:
    workers = [Limiter(limit, clock) for _ in range(count)]
    for worker in workers:
        worker.set_workers(count)
    return workers
