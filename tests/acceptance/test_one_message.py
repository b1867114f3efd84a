"""One message's way through the house: a row is inserted, an answer arrives."""

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import supabase

from tests.support.asking import ask
from tests.support.listener import Listener
from tests.support.people import Chat, People
from tests.support.waiting import until, wait_for
from worker.local.stack import Stack

Calls = Callable[[], list[dict[str, Any]]]


async def test_an_answer_streams_in_and_the_stored_row_is_the_same_text(
    worker: Stack, client: supabase.AsyncClient, chat: Chat, listener: Listener
) -> None:
    question = await ask(client, chat, "How many likes did it get?")
    answer = await until(lambda: listener.answer(question), "the answer")
    await until(lambda: listener.statuses(question)[-1] == "completed", "the status")

    assert "48,210" in answer["content"]
    assert listener.streamed(question) == answer["content"]
    assert listener.statuses(question) == ["pending", "answering", "completed"]
    assert (answer["role"], answer["turn"], answer["version"]) == ("assistant", 1, 1)
    assert answer["model"] == "offline-extractive"
    assert answer["finish_reason"] == "stop"
    assert answer["tokens_used"] > 0
    [stored] = (await client.table("chat_messages").select("*").eq("reply_to", str(question)).execute()).data
    assert isinstance(stored, dict)
    assert stored["content"] == answer["content"]


async def test_rows_arrive_over_plain_row_changes_too(
    worker: Stack, client: supabase.AsyncClient, chat: Chat, listener: Listener
) -> None:
    question = await ask(client, chat, "How many likes did it get?")

    def heard() -> list[tuple[str, str]]:
        return [(table, data["type"]) for table, data in listener.rows]

    await until(lambda: heard().count(("chat_replies", "UPDATE")) == 2, "the row changes")
    assert sorted(heard()) == [
        ("chat_messages", "INSERT"),
        ("chat_messages", "INSERT"),
        ("chat_replies", "INSERT"),
        ("chat_replies", "UPDATE"),
        ("chat_replies", "UPDATE"),
    ]
    messages = [data.get("record") or {} for table, data in listener.rows if table == "chat_messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[1]["reply_to"] == str(question)


async def test_figures_and_phrases_of_a_post_are_found_in_its_answers(
    worker: Stack,
    client: supabase.AsyncClient,
    chat: Chat,
    listener: Listener,
    database: psycopg.Connection[dict[str, Any]],
) -> None:
    likes, phrase = uuid4().int % 10**8, f"flimbert {uuid4().hex[:6]}"
    database.execute("update public.posts set metrics = %s where id = %s", [json.dumps({"likes": likes}), chat.post])
    database.execute(
        "update public.post_analyses set key_insights = %s where id = %s",
        [json.dumps([f"The {phrase} hook held 83.21% of viewers"]), chat.analysis],
    )
    first = await ask(client, chat, "How many likes did it get?")
    second = await ask(client, chat, f"What does the analysis say about the {phrase} hook?")
    about_phrase = await until(lambda: listener.answer(second), "both answers")
    about_likes = listener.answer(first)

    assert about_likes is not None
    assert f"{likes:,}" in about_likes["content"]
    assert f"The {phrase} hook held 83.21% of viewers" in about_phrase["content"]


async def test_the_model_gets_persona_post_and_analysis_and_the_conversation_as_turns(
    worker: Stack, client: supabase.AsyncClient, chat: Chat, listener: Listener, calls: Calls
) -> None:
    first = await ask(client, chat, f"How many likes did it get? {uuid4()}")
    answer = await until(lambda: listener.answer(first), "the first answer")
    marker = f"And why? {uuid4()}"
    second = await ask(client, chat, marker)
    await until(lambda: listener.answer(second), "the second answer")
    [asked] = (await client.table("chat_messages").select("content").eq("id", str(first)).execute()).data
    assert isinstance(asked, dict)

    def request() -> dict[str, Any] | None:
        bodies = [call["body"] for call in calls()]
        return next((body for body in bodies if body["contents"][-1]["parts"][0]["text"] == marker), None)

    body = await until(request, "the call in the model's log")
    assert [(turn["role"], turn["parts"][0]["text"]) for turn in body["contents"]] == [
        ("user", asked["content"]),
        ("model", answer["content"]),
        ("user", marker),
    ]
    instruction = body["systemInstruction"]["parts"][0]["text"]
    assert instruction.startswith("You are PostBro AI assistant")
    # The tags have a mark of the chat.
    assert re.sub(r"-[0-9a-f]{16}>", ">", instruction).endswith(
        "<post>\nPlatform: instagram\nCreator: mara\nURL: https://example.test/p/1\nCaption: Three eggs\n"
        "Metrics: likes: 48210\n</post>\n\n<analysis>\nKey insights:\n- The hook is a question\n</analysis>\n"
    )
    assert "kept for the page" not in instruction


async def test_the_ledger_knows_the_call(
    worker: Stack,
    client: supabase.AsyncClient,
    chat: Chat,
    listener: Listener,
    database: psycopg.Connection[dict[str, Any]],
) -> None:
    question = await ask(client, chat, "How many likes did it get?")
    answer = await listener.stored_answer(question, database)
    rows = database.execute(
        "select * from public.external_api_call_logs where message_id = %s", [question]
    ).fetchall()
    assert len(rows) == 1
    row = rows[0]
    assert (row["outcome"], row["attempt"]) == ("ok", 1)
    assert row["model_requested"] == "gemini-3.5-flash-lite"
    assert row["model_version"] == "offline-extractive"
    assert row["prompt_tokens"] + row["candidate_tokens"] + row["thought_tokens"] == answer["tokens_used"]
    assert row["cost_usd"] == 0
    assert row["latency_ms"] >= row["first_token_ms"] >= 0


def test_a_message_added_by_hand_is_answered(
    worker: Stack, people: People, database: psycopg.Connection[dict[str, Any]]
) -> None:
    chat = people.make_chat()
    question = people.ask(chat, "How many likes did it get?")
    answer = wait_for(
        lambda: database.execute(
            "select content from public.chat_messages where reply_to = %s", [question]
        ).fetchone(),
        "the answer",
    )
    assert "48,210" in answer["content"]


def test_a_failed_reply_set_to_pending_by_hand_is_answered(
    worker: Stack, people: People, database: psycopg.Connection[dict[str, Any]]
) -> None:
    worker.worker.stop()
    chat = people.make_chat()
    question = people.ask(chat, "How many likes did it get?")
    database.execute("update public.chat_replies set status = 'failed' where message_id = %s", [question])
    worker.worker.start()
    database.execute("update public.chat_replies set status = 'pending' where message_id = %s", [question])
    wait_for(
        lambda: (
            database.execute("select from public.chat_messages where reply_to = %s", [question]).fetchone()
            is not None
        ),
        "the answer",
    )
