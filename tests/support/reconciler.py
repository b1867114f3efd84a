"""What the reconciler finds, and has mended."""

from uuid import UUID

from tests.support.database import Connection, one_row


def mended(database: Connection) -> int:
    return int(one_row(database.execute("select mended from private.reconciler"))["mended"])


def contradictions(database: Connection) -> list[UUID]:
    return [row["session_id"] for row in database.execute("select session_id from private.contradictions()")]
