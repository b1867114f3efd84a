"""The faults that the offline model can be asked for.

Each applies to calls of streamGenerateContent, in the order in which they were asked for. `after` counts
the pieces of the answer that go out first; null is before the headers, 0 after the headers.
"""

import time
from collections import deque
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter

Seconds = Annotated[float, Field(ge=0)]
EndReason = Literal[
    "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "OTHER"
]  # fmt: skip


class _Fault(BaseModel):
    """What all have: which calls it meets, and how many of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    times: PositiveInt | None = 1
    """Null: until it is taken back."""
    question: str | None = None
    """What the last turn must contain. A marker in it keeps tests apart that run side by side."""
    model: str | None = None


class Refuse(_Fault):
    """An error instead of an answer."""

    fault: Literal["refuse"]
    status: Literal[400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504]
    message: str | None = None
    retry_info: Seconds | None = None
    """The wish in the body."""
    retry_after: NonNegativeInt | None = None
    """The wish in the header."""
    quota: Literal["minute", "day", "zero"] | None = None
    """Which limit a 429 names; zero: this model is not in the plan at all."""
    html: bool = False
    """A page as a gateway in between writes it."""


class Limit(_Fault):
    """A limit of the provider's: so many calls in any so many seconds, and 429 for what is over it."""

    fault: Literal["limit"]
    calls: PositiveInt
    seconds: Annotated[float, Field(gt=0)]


class Stall(_Fault):
    """Silence, and then the rest of the answer."""

    fault: Literal["stall"]
    after: NonNegativeInt | None = None
    seconds: Seconds | None = None
    """Null: until the client leaves."""


class Reset(_Fault):
    """The connection is reset."""

    fault: Literal["reset"]
    after: NonNegativeInt | None = None


class Close(_Fault):
    """The connection is closed, with the answer unfinished."""

    fault: Literal["close"]
    after: NonNegativeInt | None = None


class Garbage(_Fault):
    """Bytes that are no event, and a clean end."""

    fault: Literal["garbage"]
    after: NonNegativeInt = 0
    kind: Literal["invalid_json", "half_event", "comment", "html"] = "invalid_json"


class ErrorEvent(_Fault):
    """An error inside a 200, and a clean end."""

    fault: Literal["error_event"]
    after: NonNegativeInt = 0
    status: Literal[400, 429, 500, 503, 504] = 503
    retry_info: Seconds | None = None


class BlockedPrompt(_Fault):
    """The filters refuse the question."""

    fault: Literal["blocked_prompt"]
    reason: Literal["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT"] = "SAFETY"


class Finish(_Fault):
    """Another end than the answer's own. `after`: null is all of its text, 0 none."""

    fault: Literal["finish"]
    after: NonNegativeInt | None = None
    reason: EndReason | None
    """Null: a clean end that gives no reason."""


class NoCandidates(_Fault):
    """One event without an answer in it."""

    fault: Literal["no_candidates"]


class EmptyText(_Fault):
    """It finishes, and its text is empty."""

    fault: Literal["empty_text"]


class Slow(_Fault):
    """The whole answer, at another pace."""

    fault: Literal["slow"]
    pace_ms: NonNegativeInt


class Say(_Fault):
    """Another answer than its own."""

    fault: Literal["say"]
    text: str = Field(min_length=1)
    pace_ms: NonNegativeInt | None = None


Fault = Annotated[
    Refuse
    | Limit
    | Stall
    | Reset
    | Close
    | Garbage
    | ErrorEvent
    | BlockedPrompt
    | Finish
    | NoCandidates
    | EmptyText
    | Slow
    | Say,
    Field(discriminator="fault"),
]
_READER: TypeAdapter[Fault] = TypeAdapter(Fault)


def read_fault(body: object) -> Fault:
    """Raises pydantic's ValidationError."""
    return _READER.validate_python(body)


class Plan:
    """A fault that was asked for, and how often it has been met."""

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
        """What happens to a call that meets it; None: it is within the limit."""
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
    """What was asked for, oldest first. Those that are used up stay, to be counted, until they are taken back."""

    def __init__(self) -> None:
        self._plans: dict[int, Plan] = {}
        self._last = 0

    def add(self, fault: Fault) -> Plan:
        self._last += 1
        plan = self._plans[self._last] = Plan(self._last, fault)
        return plan

    def take(self, model: str, question: str) -> Fault | None:
        """The fault that this call meets, if any."""
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
