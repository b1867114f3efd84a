"""Faults of a network and a cluster that the stand-in plays on request, for tests: only with REALTIME_FAULTS.

`POST /faults` takes one, as JSON, and answers it with an `id` and how often it was `met`; `GET /faults` lists
them; `DELETE /faults/<id>` takes one back, `DELETE /faults` all. They hold until then.
"""

import itertools
import time
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Direction = Literal["up", "down"]


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str | None = None
    """Without `realtime:`; null: whatever the topic."""


class Swallow(_Fault):
    """Frames get lost, and the connection seems well: a socket that is deaf, or dumb, or both.

    It meets sockets that were open when it was asked for, unless `new_sockets` too, and of them those that
    have joined the topic, and whose key has the role. WebSocket pings are answered all the same, as by a gateway.
    """

    fault: Literal["swallow"]
    direction: Literal["up", "down", "both"] = "both"
    """Up: what clients send. Heartbeats that are swallowed either way stay unanswered."""
    role: Literal["anon", "authenticated", "service_role"] | None = None
    new_sockets: bool = False


class Lose(_Fault):
    """What the database sends on the topic is stored, and delivered to nobody."""

    fault: Literal["lose_broadcasts"]


Fault = Annotated[Swallow | Lose, Field(discriminator="fault")]
_READER: TypeAdapter[Fault] = TypeAdapter(Fault)


class Socket(Protocol):
    """A socket, as faults know it."""

    opened_at: float  # time.monotonic()

    @property
    def role(self) -> str: ...

    def has_joined(self, name: str) -> bool: ...


class Plan:
    """A fault that was asked for, and how many frames or broadcasts it has met."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        self.fault = fault
        self.met = 0
        self._since = time.monotonic()

    def swallows(self, socket: Socket, direction: Direction) -> bool:
        wanted = self.fault
        return (
            isinstance(wanted, Swallow)
            and wanted.direction in (direction, "both")
            and (wanted.new_sockets or socket.opened_at < self._since)
            and wanted.role in (None, socket.role)
            and (wanted.topic is None or socket.has_joined(wanted.topic))
        )

    def loses(self, name: str) -> bool:
        return isinstance(self.fault, Lose) and self.fault.topic in (None, name)

    def as_json(self) -> dict[str, Any]:
        return {"id": self.number, "met": self.met, **self.fault.model_dump()}


class Faults:
    def __init__(self) -> None:
        self._plans: dict[int, Plan] = {}
        self._numbers = itertools.count(1)

    def add(self, body: object) -> Plan:
        """Raises pydantic's ValidationError."""
        plan = Plan(next(self._numbers), _READER.validate_python(body))
        self._plans[plan.number] = plan
        return plan

    @property
    def plans(self) -> list[Plan]:
        return list(self._plans.values())

    def remove(self, number: int) -> bool:
        return self._plans.pop(number, None) is not None

    def clear(self) -> None:
        self._plans.clear()

    def swallow(self, socket: Socket, direction: Direction) -> bool:
        """Whether the frame that goes this way now is lost."""
        return self._meet([plan for plan in self._plans.values() if plan.swallows(socket, direction)])

    def lose(self, name: str) -> bool:
        """Whether this broadcast of the database's is lost."""
        return self._meet([plan for plan in self._plans.values() if plan.loses(name)])

    def _meet(self, plans: list[Plan]) -> bool:
        for plan in plans:
            plan.met += 1
        return bool(plans)
