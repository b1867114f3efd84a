"""A project without figures; a chat, a worker, and the report as the page asks for it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.database import Connection
from tests.support.holder import Holder, MakeHolder
from tests.support.people import Chat, People


@pytest.fixture(autouse=True)
def empty(quiet: None, no_figures: None, database: Connection) -> None:
    database.execute("update private.reconciler set mended = 0, set_aside = 0, refuses_questions = false")


@pytest.fixture
def worker(make_holder: MakeHolder) -> Holder:
    return make_holder()


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.fixture
def report(people: People) -> Callable[[], dict[str, Any]]:
    """As the worker asks for it: over the API, with the secret key."""

    def asked() -> dict[str, Any]:
        answer = people.service().post("/rpc/ops_report")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return asked
