"""What the worker does about a model in trouble: another model, a breaker, a limit, a place in the queue."""

import re
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.support.asked import Calls, calls_with, outcomes, reply
from tests.support.faulty_model import FaultyModel
from tests.support.people import Chat, People
from tests.support.waiting import wait_for
from worker.local.processes import Service
from worker.model.breakers import LEAST_VOTES

Database = psycopg.Connection[dict[str, Any]]
WorkerWith = Callable[..., Service]
FIRST, SECOND = "gemini-3.5-flash-lite", "gemini-3.8-flash"
PATIENCE = 30.0


def ledger(database: Database, question: UUID) -> list[tuple[str, str | None]]:
    rows = database.execute(
        """select outcome, model_requested from public.external_api_call_logs
        where message_id = %s order by attempt""",
        [question],
    )
    return [(row["outcome"], row["model_requested"]) for row in rows]


def gap(database: Database, question: UUID) -> float:
    """Seconds between the end of the first call and the beginning of the second."""
    row = database.execute(
        """select extract(epoch from b.started_at - a.finished_at)::float8 as seconds
        from public.external_api_call_logs a join public.external_api_call_logs b using (message_id)
        where message_id = %s and a.attempt = 1 and b.attempt = 2""",
        [question],
    ).fetchone()
    assert row is not None
    return row["seconds"]


def ask(people: People, marker: str = "", chat: Chat | None = None) -> UUID:
    return people.ask(chat or people.make_chat(), f"How many likes did it get? {marker}")


def queue_row(database: Database, question: UUID) -> dict[str, Any]:
    row = database.execute(
        "select worker_id, calls, due_at > now() as later from private.reply_queue where message_id = %s", [question]
    ).fetchone()
    assert row is not None
    return row


def busy_until(people: People) -> str | None:
    """What a page is told: until when no model may be asked."""
    [service] = people.signed_in(people.make_user()).get("/chat_service").json()
    return service["model_busy_until"]


def wait_for_status(database: Database, question: UUID, status: str, seconds: float = PATIENCE) -> None:
    wait_for(lambda: reply(database, question)["status"] == status, f"the reply to be {status}", seconds)


@pytest.mark.parametrize(
    ("fault", "error_code"),
    [
        ({"status": 503, "retry_info": 600}, "model_overloaded"),
        ({"status": 404}, "model_unavailable"),
        ({"status": 429, "quota": "minute", "retry_info": 36}, "rate_limited"),
        ({"status": 429, "quota": "day", "retry_info": 35_640}, "rate_limited"),
        ({"status": 429, "quota": "zero", "retry_info": 36}, "rate_limited"),
    ],
)
def test_the_next_model_answers_when_one_cannot(
    worker_with: WorkerWith,
    people: People,
    database: Database,
    faulty_model: FaultyModel,
    calls: Calls,
    fault: dict[str, Any],
    error_code: str,
) -> None:
    worker_with()
    marker = uuid4().hex
    faulty_model.add("refuse", question=marker, model=FIRST, times=None, **fault)
    question = ask(people, marker)
    wait_for_status(database, question, "completed")

    assert ledger(database, question) == [(error_code, FIRST), ("ok", SECOND)]
    wait_for(lambda: len(calls_with(marker, calls)) == 2, "both calls in the model's log")
    assert [call["model"] for call in calls_with(marker, calls)] == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("fault", "error_code"),
    [({"status": 429, "quota": "day", "retry_info": 1}, "rate_limited"), ({"status": 404}, "model_unavailable")],
)
def test_when_no_model_can_the_question_is_kept(
    worker_with: WorkerWith,
    people: People,
    database: Database,
    faulty_model: FaultyModel,
    fault: dict[str, Any],
    error_code: str,
) -> None:
    worker_with()
    marker = uuid4().hex
    number = faulty_model.add("refuse", question=marker, times=None, **fault)
    question = ask(people, marker)
    both = [(error_code, FIRST), (error_code, SECOND)]
    wait_for(lambda: ledger(database, question)[:2] == both, "both to be asked")
    wait_for(lambda: reply(database, question)["status"] == "pending", "it to wait")
    assert faulty_model.used(number) == len(ledger(database, question))

    queued = queue_row(database, question)
    assert (queued["worker_id"], queued["calls"]) == (None, 0), "what closes a model is not counted"
    later = ask(people)
    wait_for(lambda: busy_until(people), "the page to be told that no model is asked")
    assert ledger(database, later) == []
    assert reply(database, later)["status"] == "pending"


@pytest.mark.parametrize("fault", [{"status": 404}, {"status": 403}])
def test_a_key_or_a_name_that_was_wrong_for_a_moment_fails_nothing(
    worker_with: WorkerWith, people: People, database: Database, faulty_model: FaultyModel, fault: dict[str, Any]
) -> None:
    worker_with(GEMINI_MODELS=FIRST)
    marker = uuid4().hex
    faulty_model.add("refuse", question=marker, times=2, **fault)
    question = ask(people, marker)
    wait_for_status(database, question, "completed")
    assert ledger(database, question) == [("model_unavailable", FIRST)] * 2 + [("ok", FIRST)]


def test_a_model_that_fails_several_users_is_left_alone(
    worker_with: WorkerWith, people: People, database: Database, faulty_model: FaultyModel
) -> None:
    worker_with()
    marker = uuid4().hex
    number = faulty_model.add("refuse", question=marker, model=FIRST, times=None, status=503)
    for _ in range(LEAST_VOTES):
        question = ask(people, marker)
        wait_for_status(database, question, "completed")
        assert ledger(database, question) == [("model_overloaded", FIRST), ("ok", SECOND)]

    question = ask(people, marker)
    wait_for_status(database, question, "completed")
    assert ledger(database, question) == [("ok", SECOND)]
    assert faulty_model.used(number) == LEAST_VOTES


def test_one_user_alone_opens_no_breaker(
    worker_with: WorkerWith, people: People, database: Database, faulty_model: FaultyModel
) -> None:
    """Questions whose answers always break off, or that make the model silent: others are answered at once."""
    worker_with(GEMINI_MODELS=FIRST, MODEL_FIRST_TOKEN_SECONDS=1)
    marker, somebody = uuid4().hex, people.make_user()
    faulty_model.add("finish", question=marker, reason="OTHER", after=3, times=None)
    silent = uuid4().hex
    faulty_model.add("stall", question=silent, after=0, times=None)
    theirs = [ask(people, word, people.make_chat(somebody)) for word in [marker, silent] * 4]
    wait_for(lambda: sum(len(ledger(database, each)) for each in theirs) >= 12, "many of them to fail", PATIENCE)
    for _ in range(5):
        other = ask(people)
        wait_for_status(database, other, "completed", 5)
        assert ledger(database, other) == [("ok", FIRST)]


def test_while_no_model_may_be_asked_nothing_is_claimed_and_no_call_is_spent(
    worker_with: WorkerWith, people: People, database: Database, faulty_model: FaultyModel
) -> None:
    worker_with(GEMINI_MODELS=FIRST)
    marker = uuid4().hex
    faulty_model.add("refuse", question=marker, times=None, status=503)
    questions = [ask(people, marker, people.make_chat()) for _ in range(LEAST_VOTES)]
    wait_for(lambda: busy_until(people), "the breaker to open", PATIENCE)
    late = [ask(people) for _ in range(8)]
    time.sleep(2)
    assert [ledger(database, each) for each in late] == [[]] * 8
    assert {reply(database, each)["status"] for each in late} == {"pending"}
    faulty_model.forget()
    for each in [*late, *questions]:
        wait_for_status(database, each, "completed", 60)
    assert [ledger(database, each) for each in late] == [[("ok", FIRST)]] * 8


def test_a_wish_that_ends_after_the_deadline_is_granted_in_the_queue(
    worker_with: WorkerWith, people: People, database: Database, faulty_model: FaultyModel
) -> None:
    worker_with(REPLY_DEADLINE_SECONDS=10, MODEL_FIRST_TOKEN_SECONDS=10, GEMINI_MODELS=FIRST)
    marker = uuid4().hex
    faulty_model.add("refuse", question=marker, status=429, quota="minute", retry_info=11)
    question = ask(people, marker)
    wait_for(lambda: outcomes(database, question) == ["rate_limited"], "the refusal", PATIENCE)

    queued = queue_row(database, question)
    assert queued == {"worker_id": None, "calls": 0, "later": True}
    assert reply(database, question)["status"] == "pending"
    wait_for_status(database, question, "completed")
    assert ledger(database, question) == [("rate_limited", FIRST), ("ok", FIRST)]
    assert gap(database, question) >= 11


def test_a_reply_whose_time_is_over_goes_back_to_the_queue(
    worker_with: WorkerWith, people: People, database: Database, faulty_model: FaultyModel, calls: Calls
) -> None:
    """The model still speaks now and then, so that no other limit ends it."""
    worker_with(REPLY_DEADLINE_SECONDS=10, MODEL_FIRST_TOKEN_SECONDS=10)
    marker = uuid4().hex
    faulty_model.add("slow", question=marker, pace_ms=5000)
    question = ask(people, marker)
    wait_for_status(database, question, "completed")

    assert outcomes(database, question) == ["timed_out", "ok"]
    assert gap(database, question) >= 1
    assert [call["outcome"] for call in calls_with(marker, calls)] == ["aborted", "completed"]


def test_a_model_without_a_first_word_is_given_up(
    worker_with: WorkerWith, people: People, database: Database, faulty_model: FaultyModel, calls: Calls
) -> None:
    worker_with(MODEL_FIRST_TOKEN_SECONDS=2)
    marker = uuid4().hex
    faulty_model.add("stall", question=marker, after=0)
    question = ask(people, marker)
    wait_for_status(database, question, "completed")

    assert outcomes(database, question) == ["timed_out", "ok"]
    assert [call["outcome"] for call in calls_with(marker, calls)] == ["aborted", "completed"]


def test_the_oldest_turns_and_the_end_of_a_long_caption_are_left_out_of_the_prompt(
    worker_with: WorkerWith, people: People, database: Database, faulty_model: FaultyModel, calls: Calls
) -> None:
    worker_with(PROMPT_TOKEN_BUDGET=1600)
    chat = people.make_chat()
    database.execute("update public.posts set caption = %s where id = %s", ["Eggs! " * 1000, chat.post])
    markers = [uuid4().hex for _ in range(3)]
    for marker in markers:
        faulty_model.add("say", question=marker, text=f"About {marker}: " + "x" * 2400)
        wait_for_status(database, ask(people, marker, chat), "completed")

    [call] = calls_with(markers[-1], calls)
    texts = [turn["parts"][0]["text"] for turn in call["body"]["contents"]]
    assert len(texts) == 3, "the newest turn before it, and the question"
    assert [markers[1] in texts[0], markers[1] in texts[1], markers[2] in texts[2]] == [True, True, True]
    instruction = call["body"]["systemInstruction"]["parts"][0]["text"]
    assert re.search(r"Caption shortened: these are the first [\d,]+ of its 6,000 characters", instruction)
    assert "The hook is a question" in instruction
    assert "likes: 48210" in instruction


def test_a_lost_call_has_its_model_in_the_ledger(
    worker_with: WorkerWith, people: People, database: Database, faulty_model: FaultyModel
) -> None:
    dying = worker_with(LEASE_SECONDS=3)
    marker = uuid4().hex
    faulty_model.add("stall", question=marker, after=1)
    question = ask(people, marker)
    wait_for(lambda: ledger(database, question) == [("started", FIRST)], "the model in the ledger", PATIENCE)
    dying.kill()
    worker_with()
    wait_for_status(database, question, "completed")
    assert ledger(database, question) == [("lost", FIRST), ("ok", FIRST)]
