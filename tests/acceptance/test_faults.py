"""Whatever dies, a question that was accepted is answered once."""

import time
from collections.abc import Callable
from uuid import UUID

import httpx
import supabase

from tests.support.asked import Database, outcomes
from tests.support.asking import ask
from tests.support.listener import Listener
from tests.support.people import Chat, People
from tests.support.waiting import until, wait_for
from worker.local.stack import Stack

LONG_QUESTION = "How can I improve this post?"


def answers(database: Database, question: UUID) -> list[str]:
    rows = database.execute("select content from public.chat_messages where reply_to = %s", [question])
    return [row["content"] for row in rows]


def give_a_long_answer(database: Database, chat: Chat) -> None:
    """At the model's pace here, some seconds' worth."""
    insights = [f"Improve part {n}: {'the hook, the pace and the ending, ' * 11}and nothing else." for n in range(3)]
    database.execute(
        "update public.post_analyses set key_insights = to_jsonb(%s::text[]) where id = %s", [insights, chat.analysis]
    )


async def test_a_worker_killed_in_mid_stream_costs_an_attempt_and_no_answer(
    worker: Stack, client: supabase.AsyncClient, chat: Chat, listener: Listener, database: Database
) -> None:
    give_a_long_answer(database, chat)
    question = await ask(client, chat, LONG_QUESTION)
    await until(lambda: len(listener.streamed(question)) > 20, "the stream to be under way")
    worker.worker.kill()
    assert listener.answer(question) is None
    worker.worker.start()

    # It is taken for dead after its life, by one that was heard for as long.
    answer = await listener.stored_answer(question, database, seconds=60)
    assert answers(database, question) == [answer["content"]]
    assert outcomes(database, question) == ["lost", "ok"]
    # The page starts afresh with the new attempt, and ends with the stored text.
    assert listener.streamed(question) == answer["content"]


def test_questions_asked_while_realtime_is_away_are_answered_and_the_worker_subscribes_again(
    worker: Stack, people: People, database: Database, worker_ready: Callable[[], bool]
) -> None:
    chat = people.make_chat()
    worker.realtime.kill()
    away_since = time.monotonic()
    wait_for(lambda: not worker_ready(), "the worker to notice")
    question = people.ask(chat, "How many likes did it get?")
    wait_for(lambda: answers(database, question), "the answer without Realtime")

    # Longer than the client library keeps trying before it goes deaf for good.
    time.sleep(max(0.0, 20 - (time.monotonic() - away_since)))
    worker.realtime.start()
    wait_for(worker_ready, "the worker to be subscribed again", seconds=15)
    again = people.ask(chat, "How many likes did it get?")
    wait_for(lambda: answers(database, again), "the answer with Realtime")


def test_without_a_worker_questions_wait_and_are_answered_in_order(
    worker: Stack, people: People, database: Database
) -> None:
    worker.worker.stop()
    chat = people.make_chat()
    questions = [people.ask(chat, f"How many likes did it get, asked {n}?") for n in range(3)]
    assert [answers(database, question) for question in questions] == [[], [], []]
    worker.worker.start()
    wait_for(lambda: answers(database, questions[-1]), "the last answer", seconds=20)
    rows = database.execute(
        "select reply_to from public.chat_messages where session_id = %s and role = 'assistant' order by created_at",
        [chat.session],
    ).fetchall()
    assert [row["reply_to"] for row in rows] == questions


async def test_a_stopped_reply_keeps_what_was_shown(
    worker: Stack, client: supabase.AsyncClient, chat: Chat, listener: Listener, database: Database
) -> None:
    give_a_long_answer(database, chat)
    question = await ask(client, chat, LONG_QUESTION)
    await until(lambda: len(listener.streamed(question)) > 20, "the stream to be under way")
    await client.rpc("cancel_reply", {"message_id": str(question)}).execute()
    answer = await listener.stored_answer(question, database, seconds=5)
    await until(lambda: listener.statuses(question)[-1] == "cancelled", "the status")
    assert answer["finish_reason"] == "cancelled"
    assert listener.streamed(question) == answer["content"]
    assert outcomes(database, question) == ["cancelled"]


async def test_a_worker_asked_to_stop_gives_back_what_it_holds(
    worker: Stack, client: supabase.AsyncClient, chat: Chat, listener: Listener, database: Database
) -> None:
    """Its grace period is long enough here to finish; either way nothing waits for a lease to run out."""
    question = await ask(client, chat, "How many likes did it get?")
    worker.worker.stop()
    worker.worker.start()
    await listener.stored_answer(question, database, seconds=8)
    assert len(answers(database, question)) == 1


def test_health_and_readiness_say_how_it_is(worker: Stack) -> None:
    base = f"http://127.0.0.1:{worker.ports.worker}"
    assert httpx.get(f"{base}/healthz").status_code == 200
    assert httpx.get(f"{base}/readyz").json() == {"status": "ready", "problems": {}}
