"""A chat, a user or a reply that is deleted while it is answered."""

import pytest

from tests.support.database import Connection
from tests.support.holder import Holder, ask_model
from tests.support.people import Chat, People
from tests.support.rows import Rows

pytestmark = pytest.mark.usefixtures("quiet")


class TestDeleting:
    def test_a_session_while_it_is_answered(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        ask_model(worker, claimed)
        worker.save_draft(claimed, "Beca")
        response = people.signed_in(chat.user).delete("/chat_sessions", params={"id": f"eq.{chat.session}"})
        assert response.status_code == 200
        assert worker.beat(claimed)["replies"][0]["held"] is False
        assert rows.drafts(question) == []
        assert worker.save_draft(claimed, "use", starts_at=4) is None
        assert worker.complete(claimed) is False
        assert (rows.calls(question), rows.tokens(question)) == ({1: "lost"}, {1: 100})

    def test_a_user_while_answered(
        self, people: People, database: Connection, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        ask_model(worker, claimed)
        database.execute("delete from auth.users where id = %s", [chat.user.id])
        assert worker.fail(claimed, retry_in=0) is False
        assert rows.calls(question) == {1: "lost"}
        assert rows.drafts(question) == []
