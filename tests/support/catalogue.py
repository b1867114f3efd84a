"""Our objects in the catalogue of Postgres."""

from typing import Any

from tests.support.database import Connection

OURS = "n.nspname in ('public', 'private', 'analytics') and pg_get_userbyid({owner}) = 'postgres'"


def query(database: Connection, statement: str) -> list[dict[str, Any]]:
    return database.execute(statement).fetchall()
