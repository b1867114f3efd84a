"""Faults of a network and a cluster, which tests can request. Only with REALTIME_FAULTS.

`POST /faults` adds one, as JSON, and returns it with its `id` and `met`, the number of times it has applied;
`GET /faults` lists them; `DELETE /faults/<id>` removes one, `DELETE /faults` all. They apply until then.
"""

import itertools
import time
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Direction = Literal["up", "down"]


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str | None = None
    """Without the prefix `realtime:`; null: all topics."""


class Swallow(_Fault):
    """Frames are lost in one or both directions, while the connection stays open.

    Applies to sockets that were open when it was requested, with `new_sockets` also to later ones; of these, to those
    that have joined the topic and whose key has the role. WebSocket pings are still answered, as by a gateway.
    """

    fault: Literal["swallow"]
    direction: Literal["up", "down", "both"] = "both"
    """Up: frames from clients. In each direction, the answers to heartbeats are missing."""
    role: Literal["anon", "authenticated", "service_role"] | None = None
    new_sockets: bool = False


class Lose(_Fault):
    """The database's broadcasts on the topic are stored, but not delivered."""

    fault: Literal["lose_broadcasts"]


Fault = Annotated[Swallow | Lose, Field(discriminator="fault")]
_READER: TypeAdapter[Fault] = TypeAdapter(Fault)


class Socket(Protocol):
    """The part of a socket that faults use."""

    opened_at: float  # time.monotonic()

    @property
    def role(self) -> str: ...

    def has_joined(self, name: str) -> bool: ...


class Plan:
    """A requested fault, and the number of frames or broadcasts that it has dropped."""

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
        """Whether to drop a frame in this direction; counts it."""
        return self._meet([plan for plan in self._plans.values() if plan.swallows(socket, direction)])

    def lose(self, name: str) -> bool:
        """Whether to drop this broadcast of the database; counts it."""
        return self._meet([plan for plan in self._plans.values() if plan.loses(name)])

    def _meet(self, plans: list[Plan]) -> bool:
        for plan in plans:
            plan.met += 1
        return bool(plans)
