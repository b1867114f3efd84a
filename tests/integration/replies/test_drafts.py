"""The draft: the text so far, saved in pieces."""

from collections.abc import Callable

import pytest

from tests.support.commands import command
from tests.support.holder import Holder
from tests.support.people import Chat, People
from tests.support.rows import Rows

pytestmark = pytest.mark.usefixtures("quiet")

FallSilent = Callable[[Holder], None]


class TestDrafts:
    def test_pieces_are_joined(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        assert worker.save_draft(claimed, "The first") == 9
        assert worker.save_draft(claimed, " try", starts_at=9) == 13
        # Sent again, after a lost answer, with a longer piece by now: what is stored stays, and is told.
        assert worker.save_draft(claimed, "The first try", starts_at=0) == 13
        assert [(row["attempt"], row["content"]) for row in rows.drafts(question)] == [(1, "The first try")]
        shown = people.signed_in(chat.user).get("/chat_reply_drafts", params={"message_id": f"eq.{question}"}).json()
        assert [(row["attempt"], row["content"]) for row in shown] == [(1, "The first try")]

    def test_they_are_of_one_attempt(self, people: People, rows: Rows, chat: Chat, worker: Holder) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        assert worker.save_draft(claimed, "The first") == 9
        worker.give_back(claimed)
        assert rows.drafts(question) == []
        (again,) = worker.claim()
        assert worker.save_draft(again, "Afresh") == 6
        worker.save_draft(claimed, " try, late", starts_at=9)
        assert [(row["attempt"], row["content"]) for row in rows.drafts(question)] == [(2, "Afresh")]

    def test_what_follows_a_gap_was_not_shown(
        self, people: People, rows: Rows, chat: Chat, worker: Holder, falls_silent: FallSilent
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        for starts_at, content in ((0, "One, "), (5, "two"), (10, "four, "), (16, "five")):
            worker.save_draft(claimed, content, starts_at)
        falls_silent(worker)
        command(people, chat.user, "cancel_reply", question)
        assert [answer["content"] for answer in rows.answers(question)] == ["One, two"]
