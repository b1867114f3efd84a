"""What is claimed when, and with which history."""

import pytest

from tests.support.holder import Holder, MakeHolder
from tests.support.people import Chat, People
from tests.support.rows import Rows

pytestmark = pytest.mark.usefixtures("quiet")


class TestOrder:
    def test_one_at_a_time_in_the_order_of_turns(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        questions = [people.ask(chat, f"Question {n}") for n in range(3)]
        for question in questions:
            (claimed,) = worker.claim()
            assert claimed["message_id"] == str(question)
            assert worker.claim() == []
            worker.complete(claimed)
        assert worker.claim() == []
        assert [rows.answers(question)[0]["turn"] for question in questions] == [1, 2, 3]

    def test_the_next_is_queued_after_a_failure_too(self, people: People, chat: Chat, worker: Holder) -> None:
        people.ask(chat)
        second = people.ask(chat)
        (claimed,) = worker.claim()
        worker.fail(claimed)
        assert [each["message_id"] for each in worker.claim()] == [str(second)]

    def test_a_back_off_keeps_the_questions_behind_it_waiting(
        self, people: People, chat: Chat, worker: Holder
    ) -> None:
        people.ask(chat)
        people.ask(chat)
        (claimed,) = worker.claim()
        worker.fail(claimed, retry_in=60)
        assert worker.claim() == []

    def test_sessions_do_not_wait_for_each_other(self, people: People, worker: Holder) -> None:
        first, second = (people.ask(people.make_chat()) for _ in range(2))
        assert [each["message_id"] for each in worker.claim()] == [str(first), str(second)]

    def test_history_is_the_last_twenty_messages_by_turn(self, people: People, chat: Chat, worker: Holder) -> None:
        for n in range(1, 13):
            people.ask(chat, f"Question {n}")
            (claimed,) = worker.claim()
            worker.complete(claimed, f"Answer {n}")
        people.ask(chat, "And now?")
        people.ask(chat, "A later one")
        (claimed,) = worker.claim()
        expected = [
            {"role": role, "content": f"{word} {n}"}
            for n in range(3, 13)
            for role, word in (("user", "Question"), ("assistant", "Answer"))
        ]
        assert (claimed["question"], claimed["history"]) == ("And now?", expected)

    def test_history_leaves_out_what_was_not_answered(self, people: People, chat: Chat, worker: Holder) -> None:
        people.ask(chat, "Fails")
        worker.fail(worker.claim()[0])
        people.ask(chat, "Next")
        (claimed,) = worker.claim()
        assert claimed["history"] == []

    def test_claim_takes_no_more_than_asked(self, people: People, worker: Holder) -> None:
        for _ in range(3):
            people.ask(people.make_chat())
        assert len(worker.claim(most=0)) == 0
        assert len(worker.claim(most=2)) == 2
        assert len(worker.claim(most=2)) == 1

    def test_claim_takes_twenty_at_most(self, people: People, worker: Holder) -> None:
        for _ in range(21):
            people.ask(people.make_chat())
        assert [len(worker.claim(most=50)) for _ in range(2)] == [20, 1]

    def test_claim_says_when_another_worker_may_be_dead(
        self, people: People, chat: Chat, worker: Holder, make_holder: MakeHolder
    ) -> None:
        people.ask(chat)
        worker.claim(lease=10)
        assert worker.claim_all(lease=10)["next_due_in_ms"] is None
        assert 5_000 < make_holder().claim_all()["next_due_in_ms"] <= 10_000

    def test_nothing_to_do_has_no_next_time(self, worker: Holder) -> None:
        assert worker.claim_all() == {"alive": True, "replies": [], "next_due_in_ms": None, "refused": {}}
