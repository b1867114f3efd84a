"""What a client asked for in `postgres_changes`: checked, and given the id that events will carry."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.local.realtime import filters, json_text
from worker.local.realtime.filters import Filter
from worker.local.realtime.pgoutput import OPERATIONS

ANY = "*"


class BindingError(ValueError):
    """The message is what the client is told."""


@dataclass(frozen=True)
class Binding:
    id: int
    event: str  # INSERT, UPDATE, DELETE or *
    schema: str
    table: str
    filters: tuple[Filter, ...]

    def covers(self, schema: str, table: str) -> bool:
        return self.schema in (ANY, schema) and self.table in (ANY, table)

    def wants(self, operation: str) -> bool:
        return self.event in (ANY, operation)

    def __str__(self) -> str:
        conditions = ", ".join(map(str, self.filters))
        return (
            f"[event: {self.event}, schema: {self.schema}, table: {self.table}, filters: [{conditions}], select: nil]"
        )


def binding_id(wanted: Mapping[str, Any]) -> int:
    """The same for the same wish, on any socket; never 0, which clients take for none."""
    digest = hashlib.sha256(json_text.dumps(dict(sorted(wanted.items()))).encode()).digest()
    return int.from_bytes(digest[:4], "big") % (2**27 - 1) + 1


def echo(wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For the reply to a join: clients compare each element with what they asked for."""
    return [{**binding, "id": binding_id(binding)} for binding in wanted]


def parse(wanted: Mapping[str, Any]) -> Binding:
    """Raises BindingError."""
    schema, table = wanted.get("schema"), wanted.get("table")
    if not isinstance(schema, str) and not isinstance(table, str):
        raise BindingError(
            "No subscription params provided. Please provide at least a `schema` or `table`"
            f" to subscribe to: {json_text.dumps(wanted)}"
        )
    text = wanted.get("filter")
    try:
        conditions = filters.parse(text if isinstance(text, str) else None)
    except filters.FilterError as error:
        raise BindingError(f"Error parsing `filter` params: {error}") from error
    event = str(wanted.get("event", ANY)).upper()
    return Binding(
        id=binding_id(wanted),
        event=event if event in OPERATIONS.values() else ANY,
        schema=schema if isinstance(schema, str) else "public",
        table=table if isinstance(table, str) and table else ANY,
        filters=conditions,
    )
