"""A reply that its author stops, in each of its states."""

from collections.abc import Callable

import pytest

from tests.support.commands import command
from tests.support.holder import Holder, MakeHolder, ask_model
from tests.support.people import Chat, People
from tests.support.rows import Rows

pytestmark = pytest.mark.usefixtures("quiet")

FallSilent = Callable[[Holder], None]


class TestCancelling:
    def test_while_it_waits(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        first, second = people.ask(chat), people.ask(chat)
        response = command(people, chat.user, "cancel_reply", first)
        assert (response.status_code, response.json()["status"]) == (200, "cancelled")
        assert rows.answers(first) == []
        assert [each["message_id"] for each in worker.claim()] == [str(second)]
        assert rows.calls(first) == {}

    def test_behind_the_one_in_flight(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        people.ask(chat)
        second = people.ask(chat)
        (claimed,) = worker.claim()
        assert command(people, chat.user, "cancel_reply", second).json()["status"] == "cancelled"
        assert worker.complete(claimed) is True
        assert worker.claim() == []

    def test_while_it_is_answered_the_worker_is_asked(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        assert command(people, chat.user, "cancel_reply", question).json()["status"] == "answering"
        assert worker.beat(claimed)["replies"][0]["cancel_requested"] is True
        assert worker.complete(claimed, "Beca", "cancelled") is True
        assert rows.status(question) == "cancelled"
        (answer,) = rows.answers(question)
        assert (answer["content"], answer["finish_reason"]) == ("Beca", "cancelled")
        assert rows.calls(question) == {1: "cancelled"}

    def test_before_anything_was_shown(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        command(people, chat.user, "cancel_reply", question)
        assert worker.complete(claimed, "", "cancelled") is True
        assert (rows.status(question), rows.answers(question)) == ("cancelled", [])
        assert command(people, chat.user, "retry_reply", question).json()["status"] == "pending"

    def test_a_call_that_fails_after_the_wish_is_not_tried_again(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        command(people, chat.user, "cancel_reply", question)
        assert worker.fail(claimed, "timed_out", retry_in=1) is True
        assert rows.status(question) == "cancelled"
        assert rows.calls(question) == {1: "timed_out"}

    def test_the_worker_died_before_the_wish(
        self, people: People, rows: Rows, chat: Chat, worker: Holder, falls_silent: FallSilent
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        ask_model(worker, claimed)
        worker.save_draft(claimed, "What was shown")
        falls_silent(worker)
        assert command(people, chat.user, "cancel_reply", question).json()["status"] == "cancelled"
        (answer,) = rows.answers(question)
        assert (answer["content"], answer["finish_reason"]) == ("What was shown", "cancelled")
        assert rows.calls(question) == {1: "lost"}
        assert rows.drafts(question) == []
        assert worker.complete(claimed) is False

    def test_the_worker_died_after_the_wish(
        self, people: People, rows: Rows, chat: Chat, make_holder: MakeHolder, falls_silent: FallSilent
    ) -> None:
        question = people.ask(chat)
        dead = make_holder()
        (claimed,) = dead.claim()
        ask_model(dead, claimed)
        dead.save_draft(claimed, "What was shown")
        command(people, chat.user, "cancel_reply", question)
        falls_silent(dead)
        assert make_holder().claim() == []
        assert rows.status(question) == "cancelled"
        assert [answer["content"] for answer in rows.answers(question)] == ["What was shown"]
        assert rows.calls(question) == {1: "lost"}
        assert dead.complete(claimed) is False

    @pytest.mark.parametrize("settle", ["complete", "fail"])
    def test_what_is_settled_cannot_be_cancelled(
        self, people: People, chat: Chat, worker: Holder, settle: str
    ) -> None:
        question = people.ask(chat)
        getattr(worker, settle)(worker.claim()[0])
        response = command(people, chat.user, "cancel_reply", question)
        assert (response.status_code, response.json()["hint"]) == (409, "reply_state")

    def test_what_was_kept_cannot_be_answered_again_in_place(
        self, people: People, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        command(people, chat.user, "cancel_reply", question)
        worker.complete(claimed, "Beca", "cancelled")
        response = command(people, chat.user, "retry_reply", question)
        assert (response.status_code, response.json()["hint"]) == (409, "reply_state")
