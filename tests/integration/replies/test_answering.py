"""From the question to the stored answer."""

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import Holder, ask_model
from tests.support.people import Chat, People
from tests.support.rows import Rows

pytestmark = pytest.mark.usefixtures("quiet")


class TestAnswering:
    def test_a_question_waits_with_its_reply_in_the_queue(self, people: People, rows: Rows, chat: Chat) -> None:
        question = people.ask(chat)
        assert rows.status(question) == "pending"
        queued = rows.queued(question)
        assert queued is not None
        assert queued["session_id"] == chat.session
        assert queued["due"]

    def test_claim_brings_all_that_is_needed_to_answer(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat, "Why eggs?")
        (claimed,) = worker.claim()
        assert (claimed["message_id"], claimed["session_id"]) == (str(question), str(chat.session))
        assert (claimed["attempt"], claimed["version"], claimed["calls_left"]) == (1, 1, 4)
        assert (claimed["question"], claimed["history"]) == ("Why eggs?", [])
        (post,), (analysis,) = claimed["posts"], claimed["analyses"]
        assert (post["id"], post["caption"], post["metrics"]) == (
            str(chat.post),
            "Three eggs",
            {"likes": 48210},
        )
        assert (analysis["id"], analysis["key_insights"]) == (str(chat.analysis), ["The hook is a question"])
        assert "analysis" not in analysis
        assert rows.status(question) == "answering"
        assert rows.reply(question)["started_at"] is not None
        assert rows.calls(question) == {1: "claimed"}

    def test_it_is_a_call_when_a_beat_names_the_model(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        worker.beat(claimed)
        assert rows.calls(question) == {1: "claimed"}
        ask_model(worker, claimed)
        assert rows.calls(question) == {1: "started"}

    def test_complete_stores_the_answer_and_closes_everything(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        worker.save_draft(claimed, "Beca")
        assert worker.complete(claimed, "Because.", "max_tokens") is True
        (answer,) = rows.answers(question)
        assert (answer["role"], answer["content"], answer["turn"]) == ("assistant", "Because.", 1)
        assert (answer["version"], answer["finish_reason"]) == (1, "max_tokens")
        assert (answer["model"], answer["tokens_used"]) == ("gemini-test-001", 125)
        assert (answer["user_id"], answer["session_id"]) == (chat.user.id, chat.session)
        assert rows.status(question) == "completed"
        assert rows.reply(question)["finished_at"] is not None
        assert (rows.queued(question), rows.drafts(question)) == (None, [])
        assert rows.calls(question) == {1: "ok"}

    def test_the_ledger_has_what_the_call_used(
        self, people: People, database: Connection, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        worker.complete(claimed)
        row = one_row(
            database.execute("select * from public.external_api_call_logs where message_id = %s", [question])
        )
        assert (row["session_id"], row["user_id"], row["worker_id"]) == (
            chat.session,
            chat.user.id,
            worker.id,
        )
        assert (row["prompt_tokens"], row["candidate_tokens"], row["thought_tokens"]) == (100, 20, 5)
        assert float(row["cost_usd"]) == 0.0001
        assert row["finished_at"] >= row["started_at"]

    def test_complete_twice_stores_once(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        assert [worker.complete(claimed), worker.complete(claimed)] == [True, True]
        assert len(rows.answers(question)) == 1
        assert rows.calls(question) == {1: "ok"}

    def test_an_answer_must_not_be_empty(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        with pytest.raises(psycopg.errors.CheckViolation, match="answer_is_not_empty"):
            worker.complete(claimed, "")
        assert rows.status(question) == "answering"
        assert worker.complete(claimed) is True
