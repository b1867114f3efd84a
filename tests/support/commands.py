"""What users ask of a reply beside a question: over the API, or in a transaction of their own."""

from typing import Any
from uuid import UUID

from tests.support.database import one_row
from tests.support.people import People, User
from tests.support.side_by_side import (
    as_user,
)


def command(people: People, user: User, name: str, message: UUID) -> Any:
    return people.signed_in(user).post(f"/rpc/{name}", json={"message_id": str(message)})


def cancel(database_url: str, user: User, question: UUID) -> str:
    with as_user(database_url, user) as connection:
        row = one_row(connection.execute("select public.cancel_reply(%s)", [question]))
        connection.commit()
        return str(row[0]["status"])


def regenerate(database_url: str, user: User, question: UUID) -> None:
    with as_user(database_url, user) as connection:
        connection.execute("select public.regenerate_reply(%s)", [question])
        connection.commit()
