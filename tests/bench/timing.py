"""Figures of a benchmark: how long something took, again and again."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Taken:
    """A number of values of one kind."""

    values: list[float]
    unit: str = "ms"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        spread = f" ({min(self.values):.2f} to {max(self.values):.2f})" if len(self.values) > 1 else ""
        return f"{self.median:.2f} {self.unit}{spread}"


Figures = dict[str, Taken]


def times(work: Callable[[], object], number: int) -> Taken:
    taken = []
    for _ in range(number):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return Taken(taken)
