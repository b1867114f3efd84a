"""A chat whose user's minute, hour and day do not end while a test runs."""

from typing import Any

import httpx
import pytest

from tests.support.people import Chat, People


@pytest.fixture
def chat(people: People, database: Any) -> Chat:
    """Its user was last counted in a later minute, hour and day: none of them ends while a test runs."""
    chat = people.make_chat()
    database.execute(
        """insert into private.usage_asked values (
          %s, now() + interval '1 day', now() + interval '1 day', current_date + 2, 0, 0, 0, 0, 0)""",
        [chat.user.id],
    )
    return chat


@pytest.fixture
def owner(people: People, chat: Chat) -> httpx.Client:
    return people.signed_in(chat.user)
