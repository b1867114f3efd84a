"""A chat with its owner and a worker."""

from collections.abc import Callable

import httpx
import pytest

from tests.support.database import Connection
from tests.support.holder import Holder, MakeHolder
from tests.support.people import Chat, People

FallSilent = Callable[[Holder], None]


@pytest.fixture
def worker(make_holder: MakeHolder) -> Holder:
    return make_holder()


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.fixture
def owner(people: People, chat: Chat) -> httpx.Client:
    return people.signed_in(chat.user)


@pytest.fixture
def falls_silent(database: Connection) -> FallSilent:
    """Nothing was heard of this worker for a whole life: the next one that claims buries it."""

    def silence(worker: Holder) -> None:
        database.execute("update private.workers set alive_until = now() where id = %s", [worker.id])

    return silence
