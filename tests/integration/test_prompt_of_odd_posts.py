"""What a claim carries of odd posts is bounded, says what it left out, and makes a prompt within its budget."""

import json
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.support.database import Connection, one_row
from tests.support.holder import Holder, MakeHolder
from tests.support.people import Chat, People
from worker.prompt.budget import Budget
from worker.prompt.context import build_chat_prompt
from worker.rows import Reply

pytestmark = pytest.mark.usefixtures("quiet")

BOUND = 1_730_000
"""Bytes of a context; as JSON within JSON, six times that where all of it has to be escaped."""
QUESTION = "Why did it work?"


def change(database: Connection, chat: Chat, **columns: Any) -> None:
    for table, row in (("posts", chat.post), ("post_analyses", chat.analysis)):
        known = one_row(database.execute("select * from public." + table + " where id = %s", [row]))
        for name, value in columns.items():
            if name in known:
                given = value if isinstance(value, str) else Jsonb(value)
                database.execute(f"update public.{table} set {name} = %s where id = %s", [given, row])


def answer(people: People, database: Connection, chat: Chat, content: str) -> None:
    """A turn, put by hand."""
    question = people.ask(chat)
    database.execute(
        "insert into public.chat_messages (session_id, role, content, reply_to, version) "
        "values (%s, 'assistant', %s, %s, 1)",
        [chat.session, content, question],
    )
    database.execute("delete from private.reply_queue where session_id = %s", [chat.session])
    database.execute("update public.chat_replies set status = 'cancelled' where message_id = %s", [question])


def claimed(holder: Holder) -> tuple[Reply, int]:
    """The one reply that is due, and the bytes of its context."""
    holder.register()
    row = one_row(holder.connection.execute("select public.claim_replies(%s, 1, 20)", [holder.id]))
    (found,) = row[0]["replies"]
    return Reply.from_row(found), len(found["context"].encode())


def instruction_of(reply: Reply) -> str:
    """The prompt's, which is within the budget, the least and the default."""
    for tokens in (1_000, 32_000):
        prompt = build_chat_prompt(reply, Budget(tokens))
        assert prompt.estimated_tokens <= tokens
        assert prompt.turns[-1].content == QUESTION
    return prompt.system_instruction


HUGE = {
    "platform": "p" * 1_000_000,
    "url": "u" * 1_000_000,
    "creator": "c" * 1_000_000,
    "caption": "\U00013000" * 300_000,
    "creator_context": "この投稿" * 100_000,
    "viral_status": "x" * 1_000_000,
    "metrics": {f"metric {n}": n for n in range(50_000)},
    "media": [{"kind": "image", "url": f"https://example.test/{n}"} for n in range(10_000)],
    "quick_takeaways": ["Ask early."] * 100_000,
    "frameworks": [{"name": "n" * 9, "explanation": "e" * 90_000}] * 3,
    "key_insights": ['"\\\x01' * 300_000, "The hook."],
}


def test_a_post_that_is_huge_in_all_its_parts(people: People, database: Connection, make_holder: MakeHolder) -> None:
    chat = people.make_chat()
    change(database, chat, **HUGE)
    for _ in range(12):
        answer(people, database, chat, "a" * 120_000)
    people.ask(chat, QUESTION)

    reply, size = claimed(make_holder())

    assert size <= BOUND
    assert sum(len(each.content) for each in reply.history) <= 1_000_000
    assert [each.content for each in reply.history[-2:]] == ["Why did it work?", "a" * 120_000]
    instruction = instruction_of(reply)
    for words in (
        "URL shortened: these are the first ",
        " of its 300,000 characters",
        " of its 50,000 entries, the first ",
        " of its 10,000 entries, the first ",
        " of its 100,000 entries, the first ",
        "Frameworks left out: too large",
        "Key insights shortened: these are 1 of its 2 entries",
        "- The hook.",
    ):
        assert words in instruction


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("metrics", {"likes": 3, "history": "h" * 5_000_000, "saves": 2}, "likes: 3; saves: 2\nMetrics shortened: "),
        ("metrics", {"k" * 100_000: 1, "likes": 3}, "likes: 3\nMetrics shortened: these are 1 of its 2 entries"),
        ("media", ["a", "b" * 70_000, "c"], "a; c\nMedia shortened: these are 2 of its 3 entries"),
        ("media", [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]], "Media left out: too large"),
        ("media", [10**300] * 1_000, "Media shortened: these are 216 of its 1,000 entries, the first "),
        ("key_insights", ["i" * 70_000] * 3, "Key insights left out: too large"),
    ],
    ids=["one metric", "one key", "one item", "too deep", "long numbers", "every insight"],
)
def test_what_is_usable_of_a_value_is_kept_and_the_rest_told(
    people: People, database: Connection, make_holder: MakeHolder, name: str, value: Any, told: str
) -> None:
    chat = people.make_chat()
    change(database, chat, **{name: value})
    people.ask(chat, QUESTION)

    reply, size = claimed(make_holder())

    assert size < 100_000
    assert told in instruction_of(reply)


def test_what_cannot_be_read_in_time_is_left_out(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    """20 MB that do not shrink."""
    chat = people.make_chat()
    database.execute(
        """update public.posts set media = (
          select jsonb_agg(gen_random_uuid() || ' ' || gen_random_uuid()) from generate_series(1, 250000))
        where id = %s""",
        [chat.post],
    )
    people.ask(chat, QUESTION)

    reply, size = claimed(make_holder())

    assert size < 10_000
    assert "Media left out: too large" in instruction_of(reply)


def test_an_ordinary_post_says_of_no_value_that_it_was_cut(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    people.ask(people.make_chat(), QUESTION)

    reply, _ = claimed(make_holder())

    instruction = instruction_of(reply)
    assert "shortened" not in instruction
    assert "left out" not in instruction
    of_texts = {"platform": 9, "url": 24, "creator": 4, "caption": 10}
    assert reply.posts[0]["wholes"] == of_texts | {"metrics": None, "media": None}


def test_a_number_of_any_length_can_be_read(people: People, database: Connection, make_holder: MakeHolder) -> None:
    """Python reads 4,300 digits and no more."""
    chat = people.make_chat()
    database.execute(
        """update public.posts set metrics = '{"likes": 1e9000, "saves": 2}' where id = %s""", [chat.post]
    )
    people.ask(chat, QUESTION)

    reply, _ = claimed(make_holder())

    assert "saves: 2" in instruction_of(reply)


def test_twenty_of_the_largest_can_be_claimed(people: People, database: Connection, make_holder: MakeHolder) -> None:
    """Characters that take six bytes each as JSON."""
    user = people.make_user()
    for _ in range(20):
        chat = people.make_chat(user)
        change(
            database, chat, caption="\x01" * 200_000, viral_status="\x01" * 30_000, creator_context="\x01" * 30_000
        )
        for _ in range(10):
            answer(people, database, chat, "\x01" * 200_000)
        people.ask(chat, QUESTION)
    holder = make_holder()
    holder.register()

    row = one_row(
        holder.connection.execute(
            "select jsonb_array_length(answer -> 'replies') from public.claim_replies(%s, 1, 20) as answer",
            [holder.id],
        )
    )

    assert json.dumps(row[0]) == "20"
