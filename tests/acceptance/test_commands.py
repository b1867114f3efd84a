"""What users ask of a reply, through the whole house: stop it, have another version, put the question again."""

from uuid import UUID, uuid4

from tests.support.asked import Calls, Database, answers, calls_with, draft, outcomes, reply
from tests.support.faulty_model import FaultyModel
from tests.support.people import People
from tests.support.waiting import wait_for
from worker.local.stack import Stack

STOP_SECONDS = 2.0
PATIENCE = 30.0


def wait_for_status(database: Database, question: UUID, status: str) -> None:
    wait_for(lambda: reply(database, question)["status"] == status, f"the reply to be {status}", PATIENCE)


def test_stop_ends_a_stream_and_keeps_and_books_what_there_was(
    worker: Stack, people: People, database: Database, faulty_model: FaultyModel, calls: Calls
) -> None:
    """The model has fallen silent: it is not its next word that the stop waits for."""
    chat, marker = people.make_chat(), uuid4().hex
    faulty_model.add("stall", question=marker, after=3)
    question = people.ask(chat, f"How can I improve this post? {marker}")
    shown = wait_for(lambda: draft(database, question), "something to be shown", PATIENCE)

    before = database.execute("select now() as time").fetchone()
    people.signed_in(chat.user).post("/rpc/cancel_reply", json={"message_id": str(question)}).raise_for_status()
    wait_for_status(database, question, "cancelled")

    assert before is not None
    assert (reply(database, question)["finished_at"] - before["time"]).total_seconds() < STOP_SECONDS
    [answer] = answers(database, question)
    assert answer["finish_reason"] == "cancelled"
    assert answer["content"].startswith(shown)
    assert outcomes(database, question) == ["cancelled"]
    booked = database.execute(
        "select prompt_tokens, candidate_tokens from public.external_api_call_logs where message_id = %s", [question]
    ).fetchone()
    assert booked is not None
    assert booked["prompt_tokens"] > 0
    assert booked["candidate_tokens"] > 0
    wait_for(lambda: [call["outcome"] for call in calls_with(marker, calls)] == ["aborted"], "the call to be left")


def test_stopped_while_its_worker_is_dead_it_is_settled_from_the_draft(
    worker: Stack, people: People, database: Database, faulty_model: FaultyModel
) -> None:
    chat, marker = people.make_chat(), uuid4().hex
    faulty_model.add("stall", question=marker, after=3)
    question = people.ask(chat, f"How can I improve this post? {marker}")
    shown = wait_for(lambda: draft(database, question), "something to be shown", PATIENCE)
    worker.worker.kill()
    people.signed_in(chat.user).post("/rpc/cancel_reply", json={"message_id": str(question)}).raise_for_status()
    worker.worker.start()

    wait_for(lambda: reply(database, question)["status"] == "cancelled", "the next claim", 40)
    assert [(answer["content"], answer["finish_reason"]) for answer in answers(database, question)] == [
        (shown, "cancelled")
    ]
    assert outcomes(database, question) == ["lost"]


def test_another_version_of_an_answer(
    worker: Stack, people: People, database: Database, faulty_model: FaultyModel, calls: Calls
) -> None:
    chat, marker = people.make_chat(), uuid4().hex
    owner = people.signed_in(chat.user)
    for text in ("The first.", "The second."):
        faulty_model.add("say", question=marker, text=text)
    question = people.ask(chat, f"Why? {marker}")
    wait_for_status(database, question, "completed")

    owner.post("/rpc/regenerate_reply", json={"message_id": str(question)}).raise_for_status()
    wait_for_status(database, question, "completed")

    assert [(each["version"], each["content"]) for each in answers(database, question)] == [
        (1, "The first."),
        (2, "The second."),
    ]
    shown = owner.get(
        "/current_chat_messages", params={"session_id": f"eq.{chat.session}", "order": "turn,role.desc"}
    )
    assert [row["content"] for row in shown.json()][1:] == ["The second."]
    wait_for(lambda: len(calls_with(marker, calls)) == 2, "both calls in the model's log")
    assert [len(call["body"]["contents"]) for call in calls_with(marker, calls)] == [1, 1]


def test_a_question_put_again_while_the_first_is_being_answered(
    worker: Stack, people: People, database: Database, faulty_model: FaultyModel, calls: Calls
) -> None:
    chat, marker, new = people.make_chat(), uuid4().hex, str(uuid4())
    faulty_model.add("stall", question=marker, after=3)
    old = people.ask(chat, f"How can I improve this post? {marker}")
    wait_for(lambda: draft(database, old), "something to be shown", PATIENCE)

    row = {"id": new, "session_id": str(chat.session), "role": "user", "content": f"How many likes? {new}"}
    people.signed_in(chat.user).post("/chat_messages", json={**row, "replaces": str(old)}).raise_for_status()
    wait_for_status(database, UUID(new), "completed")

    assert reply(database, old)["status"] == "cancelled"
    assert "48,210" in answers(database, UUID(new))[0]["content"]
    [call] = calls_with(new, calls)
    assert len(call["body"]["contents"]) == 1, "what was replaced is not told to the model"
    shown = people.signed_in(chat.user).get("/current_chat_messages", params={"session_id": f"eq.{chat.session}"})
    assert marker not in shown.text
