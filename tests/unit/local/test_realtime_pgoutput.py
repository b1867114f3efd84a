"""Decoding of Postgres' logical replication messages."""

import struct
from datetime import UTC, datetime

from worker.local.realtime.pgoutput import Change, Decoder

OID = 16384
COMMITTED_AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
COLUMNS = {"id": 1, "body": 0, "note": 0}  # name: part of the replica identity


def begin() -> bytes:
    since = COMMITTED_AT - datetime(2000, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return b"B" + struct.pack("!QqI", 1, microseconds, 7)


def relation(columns: dict[str, int] = COLUMNS) -> bytes:
    described = b"".join(
        struct.pack("!B", flags) + name.encode() + b"\0" + struct.pack("!Ii", 25, -1)
        for name, flags in columns.items()
    )
    return b"R" + struct.pack("!I", OID) + b"public\0notes\0d" + struct.pack("!H", len(columns)) + described


def row(*values: str | None) -> bytes:
    """`"…"` stands for an unchanged TOASTed value."""
    encoded = struct.pack("!H", len(values))
    for value in values:
        if value is None:
            encoded += b"n"
        elif value == "…":
            encoded += b"u"
        else:
            encoded += b"t" + struct.pack("!I", len(value.encode())) + value.encode()
    return encoded


def change(kind: str, *parts: bytes, columns: dict[str, int] = COLUMNS) -> Change:
    decoder = Decoder()
    assert decoder.decode(begin()) is None
    assert decoder.decode(relation(columns)) is None
    decoded = decoder.decode(kind.encode() + struct.pack("!I", OID) + b"".join(parts))
    assert decoded is not None
    return decoded


def test_an_insert_has_its_row_and_the_time_of_its_commit() -> None:
    inserted = change("I", b"N", row("1", "é", None))
    assert (inserted.operation, inserted.relation.schema, inserted.relation.table) == (
        "INSERT",
        "public",
        "notes",
    )
    assert inserted.new == {"id": "1", "body": "é", "note": None}
    assert inserted.old is None
    assert inserted.committed_at == COMMITTED_AT


def test_an_update_of_other_columns_knows_the_old_row_by_its_key() -> None:
    updated = change("U", b"N", row("1", "b", "…"))
    assert updated.new == {"id": "1", "body": "b"}
    assert updated.old == {"id": "1"}


def test_an_update_of_the_key_has_the_old_key() -> None:
    updated = change("U", b"K", row("1", None, None), b"N", row("2", "b", None))
    assert updated.new == {"id": "2", "body": "b", "note": None}
    assert updated.old == {"id": "1"}


def test_an_update_with_full_replica_identity_has_the_old_row() -> None:
    everything = dict.fromkeys(COLUMNS, 1)
    updated = change("U", b"O", row("1", "a", None), b"N", row("1", "b", None), columns=everything)
    assert updated.old == {"id": "1", "body": "a", "note": None}


def test_a_delete_has_the_key_and_nothing_that_stands_in_for_the_rest() -> None:
    deleted = change("D", b"K", row("1", None, None))
    assert deleted.operation == "DELETE"
    assert deleted.new is None
    assert deleted.old == {"id": "1"}


def test_a_delete_with_full_replica_identity_has_the_row() -> None:
    deleted = change("D", b"O", row("1", "a", None), columns=dict.fromkeys(COLUMNS, 1))
    assert deleted.old == {"id": "1", "body": "a", "note": None}


def test_a_table_that_changed_is_read_by_its_new_columns() -> None:
    decoder = Decoder()
    decoder.decode(begin())
    decoder.decode(relation())
    decoder.decode(relation({"id": 1}))
    inserted = decoder.decode(b"I" + struct.pack("!I", OID) + b"N" + row("1"))
    assert inserted is not None
    assert inserted.new == {"id": "1"}


def test_other_messages_are_no_changes() -> None:
    decoder = Decoder()
    assert decoder.decode(b"C" + bytes(25)) is None
    assert decoder.decode(b"T" + bytes(9)) is None
