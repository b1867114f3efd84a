"""Rows of sums and of what they are summed from, to be compared."""

from typing import Any


def rows(database: Any, statement: str, *values: object) -> set[tuple[Any, ...]]:
    return {tuple(row.values()) for row in database.execute(statement, values).fetchall()}
