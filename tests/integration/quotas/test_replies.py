"""How many replies wait, how many versions an answer has, and how long a question is."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support import limits
from tests.support.holder import Holder
from tests.support.people import Chat, People
from tests.support.quotas import answered, ask, refusal

pytestmark = pytest.mark.usefixtures("quiet")

MakeHolder = Callable[[], Holder]


def test_unfinished_replies_are_limited_and_one_that_ends_makes_room(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    limits.put_on(database, chat.user, waiting_at_once=2)
    row = {"session_id": str(chat.session), "content": "Why?"}
    assert refusal(owner.post("/chat_messages", json=[row] * 3))["limit"] == "waiting_at_once"
    first = ask(owner, chat).json()[0]["id"]
    assert ask(owner, chat).status_code == 201
    said = refusal(ask(owner, chat))
    assert said == {"limit": "waiting_at_once", "most": 2, "used": 2, "resets_at": None}
    owner.post("/rpc/cancel_reply", json={"message_id": first}).raise_for_status()
    assert ask(owner, chat).status_code == 201


def test_the_plan_bounds_the_versions_of_an_answer(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    limits.put_on(database, chat.user, versions_per_answer=2)
    worker = make_holder()
    question = answered(people, database, chat, worker)
    body = {"message_id": str(question)}
    assert owner.post("/rpc/regenerate_reply", json=body).status_code == 200
    (claimed,) = worker.claim()
    worker.complete(claimed)
    said = refusal(owner.post("/rpc/regenerate_reply", json=body))
    assert said == {"limit": "versions_per_answer", "most": 2, "used": 2, "resets_at": None}


def test_the_plan_bounds_the_length_of_a_question(database: Any, chat: Chat, owner: httpx.Client) -> None:
    limits.put_on(database, chat.user, longest_message=10)
    said = refusal(ask(owner, chat, content="ü" * 11))
    assert said == {"limit": "longest_message", "most": 10, "used": 11, "resets_at": None}
    assert ask(owner, chat, content="ü" * 10).status_code == 201
    assert ask(owner, chat, content="a" * 4001).json()["code"] == "23514"
