"""A chat."""

import pytest

from tests.support.people import Chat, People


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()
