"""What an operator changes by hand in the dashboard."""

from uuid import UUID

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import Holder, ask_model
from tests.support.people import Chat, People
from tests.support.rows import Rows

pytestmark = pytest.mark.usefixtures("quiet")


class TestDashboard:
    def test_a_question_put_by_hand_gets_its_owner_and_its_place(
        self, people: People, database: Connection, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat, "By hand")
        row = one_row(database.execute("select * from public.chat_messages where id = %s", [question]))
        assert (row["user_id"], row["turn"], row["role"]) == (chat.user.id, 1, "user")
        assert [each["message_id"] for each in worker.claim()] == [str(question)]

    def test_failed_set_to_pending_is_answered_afresh(
        self, people: People, database: Connection, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        worker.fail(worker.claim()[0])
        self._set(database, question, "pending")
        (claimed,) = worker.claim()
        assert (claimed["message_id"], claimed["attempt"]) == (str(question), 2)
        assert worker.complete(claimed) is True

    def test_answering_set_to_failed_takes_the_claim_away(
        self, people: People, database: Connection, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question, following = people.ask(chat), people.ask(chat)
        (claimed,) = worker.claim()
        ask_model(worker, claimed)
        self._set(database, question, "failed")
        assert rows.reply(question)["error_code"] == "internal"
        assert worker.complete(claimed) is False
        assert rows.answers(question) == []
        assert rows.calls(question) == {1: "lost"}
        assert [each["message_id"] for each in worker.claim()] == [str(following)]

    def test_answering_set_to_pending_takes_the_claim_away(
        self, people: People, database: Connection, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        ask_model(worker, claimed)
        self._set(database, question, "pending")
        (again,) = worker.claim()
        assert again["attempt"] == 2
        assert worker.complete(claimed) is False
        assert worker.complete(again) is True
        assert rows.calls(question) == {1: "lost", 2: "ok"}

    @pytest.mark.parametrize(
        ("state", "wish", "words"),
        [
            ("pending", "completed", "A reply that is pending cannot become completed"),
            ("pending", "answering", "Only a worker that has claimed a reply"),
            ("answering", "completed", "A reply without an answer cannot be completed"),
            ("failed", "completed", "A reply that is failed cannot become completed"),
            ("completed", "pending", "A reply that is completed cannot become pending"),
            ("completed", "failed", "A reply that is completed cannot become failed"),
        ],
    )
    def test_other_changes_are_refused_with_words(
        self,
        people: People,
        database: Connection,
        rows: Rows,
        chat: Chat,
        worker: Holder,
        state: str,
        wish: str,
        words: str,
    ) -> None:
        question = people.ask(chat)
        if state != "pending":
            (claimed,) = worker.claim()
            if state == "failed":
                worker.fail(claimed)
            elif state == "completed":
                worker.complete(claimed)
        with pytest.raises(psycopg.Error, match=words) as refused:
            self._set(database, question, wish)
        assert refused.value.sqlstate == "PT409"
        assert rows.status(question) == state

    @staticmethod
    def _set(database: Connection, question: UUID, status: str) -> None:
        database.execute("update public.chat_replies set status = %s where message_id = %s", [status, question])
