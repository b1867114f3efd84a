"""A question in a chat of its own."""

from uuid import UUID

import pytest

from tests.support.people import Chat, People


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.fixture
def question(people: People, chat: Chat) -> UUID:
    return people.ask(chat)
