"""A chat is read for its export through the REST API, with its owner's rights and no other."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from tests.support.database import Connection
from tests.support.holder import MakeHolder
from tests.support.people import People
from worker.web.export import Ask, read_transcript, render

MANY = 1_005  # more than the API gives in one answer


def door(client: httpx.Client) -> Ask:
    def ask(path: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        response = client.get(f"/{path}", params=dict(params))
        assert response.status_code == 200, response.text
        return response.json()

    return ask


def test_a_chat_is_read_with_post_analysis_and_answers(people: People, quiet: None, make_holder: MakeHolder) -> None:
    chat = people.make_chat()
    holder = make_holder()
    people.ask(chat, "How many likes?")
    [reply] = holder.claim()
    assert holder.complete(reply, "It got 48,210.")
    people.ask(chat, "And why?")
    [reply] = holder.claim()
    assert holder.fail(reply, "timed_out")
    people.ask(chat, "Still there?")

    transcript = read_transcript(door(people.signed_in(chat.user)), str(chat.session))

    assert transcript is not None
    assert (transcript.post.creator, transcript.post.figures) == ("mara", [("likes", "48,210")])
    assert transcript.analysis.key_insights == ["The hook is a question"]
    assert [(turn.number, turn.question, turn.answer, turn.state, turn.error_code) for turn in transcript.turns] == [
        (1, "How many likes?", "It got 48,210.", "completed", None),
        (2, "And why?", None, "failed", "timed_out"),
        (3, "Still there?", None, "pending", None),
    ]
    assert json.loads(render("json", transcript)[0])["session_id"] == str(chat.session)


def test_replaced_questions_and_earlier_versions_are_left_out(
    people: People, quiet: None, make_holder: MakeHolder
) -> None:
    chat = people.make_chat()
    holder, owner = make_holder(), people.signed_in(chat.user)

    def answer(content: str) -> None:
        [reply] = holder.claim()
        assert holder.complete(reply, content)

    old = people.ask(chat, "How many lkies?")
    answer("What are lkies?")
    new = str(uuid4())
    row = {"id": new, "session_id": str(chat.session), "role": "user", "content": "How many likes?"}
    owner.post("/chat_messages", json={**row, "replaces": str(old)}).raise_for_status()
    answer("Many.")
    owner.post("/rpc/regenerate_reply", json={"message_id": new}).raise_for_status()
    answer("It got 48,210.")
    # And one more version, which fails.
    owner.post("/rpc/regenerate_reply", json={"message_id": new}).raise_for_status()
    [reply] = holder.claim()
    assert holder.fail(reply, "timed_out")

    transcript = read_transcript(door(owner), str(chat.session))

    assert transcript is not None
    assert [(turn.number, turn.question, turn.answer, turn.note) for turn in transcript.turns] == [
        (2, "How many likes?", "It got 48,210.", None)
    ]


def test_a_long_chat_is_read_whole(people: People, database: Connection) -> None:
    chat = people.make_chat()
    # Without the triggers, as a restore of a backup does it: the guard against floods takes no such number at once.
    with database.transaction():
        database.execute("alter table public.chat_messages disable trigger user")
        database.execute(
            """insert into public.chat_messages (id, session_id, user_id, role, content, turn)
            select gen_random_uuid(), %s, %s, 'user', 'question ' || turn, turn from generate_series(1, %s) turn""",
            [chat.session, chat.user.id, MANY],
        )
        database.execute(
            """insert into public.chat_messages (session_id, user_id, role, content, turn, reply_to, version)
            select session_id, user_id, 'assistant', 'answer ' || turn, turn, id, 1
            from public.chat_messages where session_id = %s""",
            [chat.session],
        )
        database.execute("alter table public.chat_messages enable trigger user")
        database.execute(
            """insert into public.chat_replies (message_id, session_id, user_id, status, attempt)
            select id, session_id, user_id, 'completed', 1
            from public.chat_messages where session_id = %s and role = 'user'""",
            [chat.session],
        )

    transcript = read_transcript(door(people.signed_in(chat.user)), str(chat.session))

    assert transcript is not None
    wanted = [(f"question {turn}", f"answer {turn}") for turn in range(1, MANY + 1)]
    assert [(turn.question, turn.answer) for turn in transcript.turns] == wanted


def test_a_foreign_chat_and_a_missing_one_look_the_same(people: People) -> None:
    chat, stranger = people.make_chat(), people.make_user()

    assert read_transcript(door(people.signed_in(stranger)), str(chat.session)) is None
    assert read_transcript(door(people.signed_in(stranger)), "00000000-0000-4000-8000-000000000000") is None
