"""What becomes of a reply whose calls fail, and of a retry."""

from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest

from tests.support.commands import command
from tests.support.database import Connection
from tests.support.holder import Holder, MakeHolder, ask_model
from tests.support.people import Chat, People
from tests.support.rows import Rows

pytestmark = pytest.mark.usefixtures("quiet")

FallSilent = Callable[[Holder], None]


class TestFailing:
    def test_for_good(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        worker.save_draft(claimed, "Beca")
        assert worker.fail(claimed, "content_blocked") is True
        reply = rows.reply(question)
        assert (reply["status"], reply["error_code"]) == ("failed", "content_blocked")
        assert (rows.queued(question), rows.drafts(question), rows.answers(question)) == (None, [], [])
        assert rows.calls(question) == {1: "content_blocked"}
        assert worker.complete(claimed) is False

    def test_with_another_try_later(
        self,
        people: People,
        rows: Rows,
        chat: Chat,
        worker: Holder,
        make_due: Callable[[UUID], None],
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        assert worker.fail(claimed, "model_overloaded", retry_in=30) is True
        assert rows.reply(question)["status"] == "pending"
        assert rows.reply(question)["error_code"] is None
        answer = worker.claim_all()
        assert answer["replies"] == []
        assert 25_000 < answer["next_due_in_ms"] <= 30_000
        make_due(question)
        (again,) = worker.claim()
        assert (again["attempt"], again["calls_left"]) == (2, 3)
        assert rows.calls(question) == {1: "model_overloaded", 2: "claimed"}

    def test_a_rate_limit_is_no_call(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        question = people.ask(chat)
        for attempt in range(1, 7):
            (claimed,) = worker.claim()
            assert (claimed["attempt"], claimed["calls_left"]) == (attempt, 4)
            assert worker.fail(claimed, "rate_limited", retry_in=0) is True
        assert rows.status(question) == "pending"
        assert rows.calls(question) == dict.fromkeys(range(1, 7), "rate_limited")

    def test_an_unknown_code_is_refused(self, people: People, chat: Chat, worker: Holder) -> None:
        people.ask(chat)
        (claimed,) = worker.claim()
        with pytest.raises(psycopg.errors.CheckViolation):
            worker.fail(claimed, "Sorry, your key 123 is wrong")

    def test_the_fourth_failure_is_final(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        question = people.ask(chat)
        for _ in range(4):
            assert worker.fail(worker.claim()[0], "timed_out", retry_in=0) is True
        assert rows.reply(question)["error_code"] == "timed_out"
        assert rows.calls(question) == dict.fromkeys(range(1, 5), "timed_out")

    def test_the_third_death_is_final(
        self, people: People, rows: Rows, chat: Chat, make_holder: MakeHolder, falls_silent: FallSilent
    ) -> None:
        question, following = people.ask(chat), people.ask(chat)
        for attempt in range(1, 4):
            dead = make_holder()
            (claimed,) = dead.claim()
            assert (claimed["message_id"], claimed["attempt"]) == (str(question), attempt)
            ask_model(dead, claimed)
            falls_silent(dead)
        (claimed,) = make_holder().claim()
        reply = rows.reply(question)
        assert (reply["status"], reply["error_code"]) == ("failed", "internal")
        assert rows.calls(question) == dict.fromkeys(range(1, 4), "lost")
        assert claimed["message_id"] == str(following)

    def test_the_fourth_lost_call_is_final(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        question, following = people.ask(chat), people.ask(chat)
        for calls_left in (4, 3, 2, 1):
            (claimed,) = worker.claim()
            assert (claimed["message_id"], claimed["calls_left"]) == (str(question), calls_left)
            ask_model(worker, claimed)
            assert worker.give_back(claimed) == 1
        reply = rows.reply(question)
        assert (reply["status"], reply["error_code"]) == ("failed", "out_of_tries")
        assert rows.calls(question) == dict.fromkeys(range(1, 5), "lost")
        assert [each["message_id"] for each in worker.claim()] == [str(following)]

    def test_next_attempt_is_another_call_in_the_same_claim(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        assert worker.next_attempt(claimed, "model_overloaded") == 2
        assert (rows.status(question), rows.reply(question)["attempt"]) == ("answering", 2)
        assert worker.complete(claimed) is False
        assert worker.complete({**claimed, "attempt": 2}) is True
        assert rows.calls(question) == {1: "model_overloaded", 2: "ok"}

    def test_next_attempt_asked_again_says_the_same(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        """The first answer to it got lost."""
        question = people.ask(chat)
        (claimed,) = worker.claim()
        assert [worker.next_attempt(claimed) for _ in range(2)] == [2, 2]
        assert rows.calls(question) == {1: "model_overloaded", 2: "claimed"}

    def test_after_four_calls_there_is_no_further_claim(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        assert [worker.next_attempt({**claimed, "attempt": n}) for n in (1, 2, 3)] == [2, 3, 4]
        assert worker.fail({**claimed, "attempt": 4}, "model_overloaded", retry_in=1) is True
        assert rows.reply(question)["error_code"] == "model_overloaded"
        assert rows.calls(question) == dict.fromkeys(range(1, 5), "model_overloaded")

    def test_a_retry_answers_in_place(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        failed, answered = people.ask(chat, "First"), people.ask(chat, "Second")
        worker.fail(worker.claim()[0])
        worker.complete(worker.claim()[0])
        response = command(people, chat.user, "retry_reply", failed)
        assert (response.status_code, response.json()["status"]) == (200, "pending")
        (claimed,) = worker.claim()
        assert (claimed["message_id"], claimed["attempt"], claimed["calls_left"]) == (str(failed), 2, 4)
        assert claimed["history"] == []
        worker.complete(claimed)
        assert [rows.answers(each)[0]["turn"] for each in (failed, answered)] == [1, 2]
        assert rows.reply(failed)["error_code"] is None

    @pytest.mark.parametrize("state", ["pending", "answering", "completed"])
    def test_only_what_failed_or_was_cancelled_can_be_retried(
        self, people: People, chat: Chat, worker: Holder, state: str
    ) -> None:
        question = people.ask(chat)
        if state != "pending":
            (claimed,) = worker.claim()
            if state == "completed":
                worker.complete(claimed)
        response = command(people, chat.user, "retry_reply", question)
        assert (response.status_code, response.json()["hint"]) == (409, "reply_state")

    def test_no_retry_in_an_archived_chat(
        self, people: People, database: Connection, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        worker.fail(worker.claim()[0])
        database.execute("update public.chat_sessions set status = 'archived' where id = %s", [chat.session])
        response = command(people, chat.user, "retry_reply", question)
        assert (response.status_code, response.json()["hint"]) == (409, "session_archived")
