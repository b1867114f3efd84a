"""The `data` of a postgres_changes event, as JSON text, made once for each role."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from worker.local.realtime import json_text
from worker.local.realtime.filters import Filter
from worker.local.realtime.pgoutput import Change
from worker.local.realtime.rows import Column, Evaluated, Table

LARGEST_CHANGE = 1024 * 1024  # bytes of JSON; above it, only values up to LARGEST_VALUE are sent
LARGEST_VALUE = 64  # bytes
AROUND_VALUE = 50  # bytes that wal2json, which the real server uses, adds for each name, type and value

NO_PRIMARY_KEY = "Error 400: Bad Request, no primary key"
UNAUTHORIZED = "Error 401: Unauthorized"
TOO_LARGE = "Error 413: Payload Too Large"

Values = Mapping[str, str]


@dataclass(frozen=True)
class EvaluatedChange:
    change: Change
    new: Evaluated | None
    old: Evaluated | None

    def fits(self, conditions: Iterable[Filter]) -> bool:
        """Whether the row satisfies the filters: after the change, or for DELETE before it."""
        row = self.old if self.change.operation == "DELETE" else self.new
        return row is not None and all(row.holds[condition] for condition in conditions)


def refusal(table: Table, change: Change, role: str) -> str | None:
    """Why this role gets an error instead of the change. None: it may get the change."""
    if change.operation == "DELETE":
        return None
    if not table.primary_key:
        return NO_PRIMARY_KEY
    if not all(role in column.readable_by for column in table.primary_key):
        return UNAUTHORIZED
    return None


def refused(table: Table, change: Change, error: str) -> str:
    """The event with an error instead of the row."""
    return json_text.dumps(
        {
            "schema": table.schema,
            "table": table.name,
            "type": change.operation,
            "commit_timestamp": None,
            "columns": [],
            "record": {},
            "errors": [error],
        }
    )


def shown(table: Table, evaluated: EvaluatedChange, role: str, select: Collection[str] | None = None) -> str:
    """The change with the columns that the role may read; of these only the selected ones and the primary key."""
    change = evaluated.change
    new = evaluated.new.values if evaluated.new else {}
    old = evaluated.old.values if evaluated.old else {}
    readable = [
        column
        for column in table.columns
        if role in column.readable_by and (select is None or column.name in select or column.in_primary_key)
    ]
    too_large = _size(table, new) + _size(table, old) > LARGEST_CHANGE
    parts = {
        "schema": json_text.dumps(table.schema),
        "table": json_text.dumps(table.name),
        "type": json_text.dumps(change.operation),
        "commit_timestamp": json_text.dumps(_timestamp(change)),
        "columns": json_text.dumps([{"name": c.name, "type": c.type_name} for c in readable]),
        "errors": json_text.dumps([TOO_LARGE] if too_large else None),
    }
    if change.operation != "DELETE":
        # An unchanged TOASTed value is only in the old row, if anywhere.
        parts["record"] = _object(readable, {**old, **new}, too_large)
    if change.operation != "INSERT":
        # Row-level security cannot be checked for a deleted row, so only its key is shown.
        hide = change.operation == "DELETE" and table.has_rls
        parts["old_record"] = _object([c for c in readable if c.in_primary_key or not hide], old, too_large)
    return _joined(parts.items())


def _object(columns: Iterable[Column], values: Values, too_large: bool) -> str:
    return _joined(
        (column.name, values[column.name])
        for column in columns
        if column.name in values and not (too_large and len(values[column.name].encode()) > LARGEST_VALUE)
    )


def _size(table: Table, values: Values) -> int:
    return sum(
        len(values[column.name].encode()) + len(column.name) + len(column.cast) + AROUND_VALUE
        for column in table.columns
        if column.name in values
    )


def _joined(members: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json_text.dumps(name)}:{value}" for name, value in members) + "}"


def _timestamp(change: Change) -> str:
    return change.committed_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
