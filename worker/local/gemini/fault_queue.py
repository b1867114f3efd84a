"""Requested faults, and which of them applies to a call: the oldest that matches its model and question."""

import time
from collections import deque
from typing import Any

from .faults import Fault, Limit, Refuse


class Plan:
    """A requested fault, and how often it was applied."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        self.fault = fault
        self.used = 0
        self._allowed: deque[float] = deque()

    @property
    def left(self) -> int | None:
        return None if self.fault.times is None else self.fault.times - self.used

    def meets(self, model: str, question: str) -> bool:
        wanted = self.fault
        return (
            self.left != 0
            and (wanted.model is None or wanted.model == model)
            and (wanted.question is None or wanted.question in question)
        )

    def play(self) -> Fault | None:
        """The fault to apply to a matching call. None: a Limit that is not reached."""
        if not isinstance(self.fault, Limit):
            return self.fault
        now = time.monotonic()
        while self._allowed and self._allowed[0] <= now - self.fault.seconds:
            self._allowed.popleft()
        if len(self._allowed) < self.fault.calls:
            self._allowed.append(now)
            return None
        wish = round(self._allowed[0] + self.fault.seconds - now, 3)
        return Refuse(fault="refuse", status=429, retry_info=wish)

    def as_json(self) -> dict[str, Any]:
        return {"id": self.number, "used": self.used, "left": self.left, **self.fault.model_dump()}


class FaultQueue:
    """Requested faults, oldest first. Used-up ones stay until they are removed, so that tests can count calls."""

    def __init__(self) -> None:
        self._plans: dict[int, Plan] = {}
        self._last = 0

    def add(self, fault: Fault) -> Plan:
        self._last += 1
        plan = self._plans[self._last] = Plan(self._last, fault)
        return plan

    def take(self, model: str, question: str) -> Fault | None:
        """The fault to apply to this call, if any; counts it."""
        for plan in self._plans.values():
            if plan.meets(model, question) and (fault := plan.play()) is not None:
                plan.used += 1
                return fault
        return None

    def list(self) -> list[Plan]:
        return list(self._plans.values())

    def remove(self, number: int) -> bool:
        return self._plans.pop(number, None) is not None

    def clear(self) -> None:
        self._plans.clear()
