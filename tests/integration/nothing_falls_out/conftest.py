"""A reconciler that has not run yet, and a chat."""

from collections.abc import Iterator

import pytest

from tests.support.database import Connection
from tests.support.people import Chat, People


@pytest.fixture(autouse=True)
def reconciler_at_rest(database: Connection) -> Iterator[None]:
    at_rest = "update private.reconciler set last_run_at = '-infinity', refuses_questions = false, mended = 0"
    database.execute(at_rest)
    yield
    database.execute(at_rest)


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()
