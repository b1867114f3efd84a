"""Decodes Postgres' logical replication messages (plugin pgoutput, protocol 1), one at a time."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Operation = Literal["INSERT", "UPDATE", "DELETE"]
Row = dict[str, str | None]  # values in Postgres' text form; an unchanged TOASTed value is absent

OPERATIONS: dict[str, Operation] = {"I": "INSERT", "U": "UPDATE", "D": "DELETE"}
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RelationColumn:
    name: str
    in_identity: bool  # part of the replica identity


@dataclass(frozen=True)
class Relation:
    oid: int
    schema: str
    table: str
    columns: tuple[RelationColumn, ...]


@dataclass(frozen=True)
class Change:
    operation: Operation
    relation: Relation
    committed_at: datetime
    new: Row | None
    old: Row | None  # the columns of the replica identity only


class Decoder:
    """Holds the relations and the transaction that the stream has announced."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}
        self._committed_at = POSTGRES_EPOCH

    def decode(self, message: bytes) -> Change | None:
        """None if the message is not a change of a row."""
        kind, reader = chr(message[0]), _Reader(message, 1)
        if kind == "B":
            _lsn, microseconds = reader.unpack("!Qq")
            self._committed_at = POSTGRES_EPOCH + timedelta(microseconds=microseconds)
        elif kind == "R":
            relation = reader.relation()
            self._relations[relation.oid] = relation
        elif kind in OPERATIONS:
            return self._change(OPERATIONS[kind], reader)
        return None

    def _change(self, operation: Operation, reader: "_Reader") -> Change:
        (oid,) = reader.unpack("!I")
        relation = self._relations[oid]
        marker, new, old = reader.character(), None, None
        if marker in "KO":
            old = reader.row(relation, identity_only=marker == "K")
            marker = reader.character() if operation == "UPDATE" else ""
        if marker == "N":
            new = reader.row(relation)
        if operation == "UPDATE" and old is None and new is not None:
            # Postgres sends an old row only if its identity has changed: otherwise take it from the new row.
            identity = {column.name for column in relation.columns if column.in_identity}
            old = {name: value for name, value in new.items() if name in identity}
        return Change(operation, relation, self._committed_at, new, old)


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def unpack(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def character(self) -> str:
        return chr(self.unpack("!B")[0])

    def text(self) -> str:
        end = self._data.index(0, self._at)
        text, self._at = self._data[self._at : end].decode(), end + 1
        return text

    def relation(self) -> Relation:
        (oid,) = self.unpack("!I")
        schema, table = self.text(), self.text()
        _identity, count = self.unpack("!BH")
        columns = []
        for _ in range(count):
            (flags,) = self.unpack("!B")
            columns.append(RelationColumn(self.text(), in_identity=bool(flags & 1)))
            self.unpack("!Ii")  # type and modifier, which are read from the catalogue instead
        return Relation(oid, schema, table, tuple(columns))

    def row(self, relation: Relation, *, identity_only: bool = False) -> Row:
        (count,) = self.unpack("!H")
        row: Row = {}
        for column in relation.columns[:count]:
            kind = self.character()
            value: str | None = None
            if kind == "t":
                (length,) = self.unpack("!I")
                value = self._data[self._at : self._at + length].decode()
                self._at += length
            # An old key is sent as a whole row with nulls in the other columns.
            if kind != "u" and (column.in_identity or not identity_only):
                row[column.name] = value
        return row
