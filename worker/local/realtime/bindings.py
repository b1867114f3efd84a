"""A client's `postgres_changes` of a join: parsed, and with the ids that events refer to."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.local.realtime import elixir, filters, json_text
from worker.local.realtime.filters import Filter
from worker.local.realtime.pgoutput import OPERATIONS

ANY = "*"


class BindingError(ValueError):
    """The message is sent to the client."""


@dataclass(frozen=True)
class Binding:
    id: int
    event: str  # INSERT, UPDATE, DELETE or *
    schema: str
    table: str
    filters: tuple[Filter, ...]
    select: tuple[str, ...] | None = None  # columns, in addition to the primary key; None: all

    def wants(self, operation: str) -> bool:
        return self.event in (ANY, operation)

    def __str__(self) -> str:
        conditions = ", ".join(map(str, self.filters))
        select = elixir.inspect(self.select) if self.select else "nil"
        return (
            f"[event: {self.event}, schema: {self.schema}, table: {self.table}, filters: [{conditions}],"
            f" select: {select}]"
        )


def binding_id(wanted: Mapping[str, Any]) -> int:
    """A hash: the same for equal bindings on all sockets. Never 0, which clients take for "no id"."""
    digest = hashlib.sha256(json_text.dumps(dict(sorted(wanted.items()))).encode()).digest()
    return int.from_bytes(digest[:4], "big") % (2**27 - 1) + 1


def echo(wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The bindings with their ids, for the reply to a join: clients compare them with their own."""
    return [{**binding, "id": binding_id(binding)} for binding in wanted]


def parse(wanted: Mapping[str, Any]) -> Binding:
    """Raises BindingError."""
    select = _select(wanted.get("select"))
    schema, table, text = wanted.get("schema"), wanted.get("table"), wanted.get("filter")
    if not _is_complete(wanted):
        raise BindingError(
            "No subscription params provided. Please provide at least a `schema` or `table`"
            f" to subscribe to: {elixir.inspect(wanted)}"
        )
    try:
        conditions = filters.parse(text)
    except filters.FilterError as error:
        raise BindingError(f"Error parsing `filter` params: {error}") from error
    schema, table = schema or "public", table or ANY
    if select and ANY in (schema, table):
        raise BindingError(
            "Column selection is not supported for wildcard subscriptions. Provide an explicit schema and table name."
        )
    event = str(wanted.get("event", ANY)).upper()
    known = event if event in OPERATIONS.values() else ANY
    return Binding(binding_id(wanted), known, schema, table, conditions, select)


def _is_complete(wanted: Mapping[str, Any]) -> bool:
    """A filter needs both names; null is not text (2.129.8, lib/extensions/postgres_cdc_rls/subscriptions.ex)."""
    given = {name: wanted[name] for name in ("schema", "table", "filter") if name in wanted}
    names = given.keys() - {"filter"}
    return all(isinstance(value, str) for value in given.values()) and (
        len(names) == 2 if "filter" in given else bool(names)
    )


def _select(columns: Any) -> tuple[str, ...] | None:
    if isinstance(columns, str):
        raise BindingError(
            'Error parsing `select` params: expected a list of column name strings, e.g. select: ["col1", "col2"]'
        )
    if not isinstance(columns, list):
        return None
    return tuple(column for column in columns if isinstance(column, str)) or None
