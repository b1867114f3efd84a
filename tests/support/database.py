"""The operator's connection, as the fixtures hand it out, and what its statements give."""

from typing import Any, TypeVar

import psycopg

Connection = psycopg.Connection[dict[str, Any]]

Row = TypeVar("Row")


def one_row(cursor: psycopg.Cursor[Row]) -> Row:
    """The next row of a statement that has one."""
    row = cursor.fetchone()
    assert row is not None
    return row
