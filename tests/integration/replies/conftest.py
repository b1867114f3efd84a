"""One chat and one worker; what its tables say, and how time passes there by the database's clock."""

from collections.abc import Callable
from uuid import UUID

import pytest

from tests.support.database import Connection
from tests.support.holder import Holder, MakeHolder
from tests.support.people import Chat, People
from tests.support.rows import Rows

FallSilent = Callable[[Holder], None]


@pytest.fixture
def rows(database: Connection) -> Rows:
    return Rows(database)


@pytest.fixture
def worker(make_holder: MakeHolder) -> Holder:
    return make_holder()


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.fixture
def make_due(database: Connection) -> Callable[[UUID], None]:
    """The back-off of a reply is over: nobody waits for it in a test."""

    def due(message: UUID) -> None:
        database.execute(
            "update private.reply_queue set due_at = now() - interval '1 ms' where message_id = %s", [message]
        )

    return due


@pytest.fixture
def falls_silent(database: Connection) -> FallSilent:
    """Nothing was heard of this worker for a whole life: the next one that claims buries it."""

    def silence(worker: Holder) -> None:
        database.execute("update private.workers set alive_until = now() where id = %s", [worker.id])

    return silence
