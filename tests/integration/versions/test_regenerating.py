"""Another version of an answer: earlier ones stay, and are not current."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.support.database import Connection
from tests.support.holder import Holder
from tests.support.people import Chat, People
from tests.support.versions import answered, answers, current, is_refused, regenerate, state

pytestmark = pytest.mark.usefixtures("quiet")


class TestRegenerating:
    def test_the_next_version_is_queued_answered_and_current(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        question = answered(people, chat, worker)
        response = regenerate(owner, question)
        assert (response.status_code, response.json()["status"], response.json()["version"]) == (200, "pending", 2)
        assert current(owner, chat) == ["Why?", "Because."]

        (claimed,) = worker.claim()
        assert (claimed["message_id"], claimed["version"], claimed["attempt"]) == (str(question), 2, 2)
        assert claimed["calls_left"] == 4
        worker.complete(claimed, "Better.")
        assert state(database, question) == ("completed", 2)
        assert answers(database, question) == {1: "Because.", 2: "Better."}
        assert current(owner, chat) == ["Why?", "Better."]

    def test_an_earlier_version_is_out_of_the_context(
        self, people: People, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        question = answered(people, chat, worker)
        regenerate(owner, question)
        (claimed,) = worker.claim()
        assert claimed["history"] == []
        worker.complete(claimed, "Better.")
        people.ask(chat, "And then?")
        assert [each["content"] for each in worker.claim()[0]["history"]] == ["Why?", "Better."]

    def test_a_question_asked_meanwhile_waits_for_it(
        self, people: People, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        question = answered(people, chat, worker)
        regenerate(owner, question)
        following = people.ask(chat, "And then?")
        (claimed,) = worker.claim()
        assert (claimed["message_id"], worker.claim()) == (str(question), [])
        worker.complete(claimed, "Better.")
        assert [each["message_id"] for each in worker.claim()] == [str(following)]

    @pytest.mark.parametrize("again", ["retry_reply", "regenerate_reply"])
    def test_a_version_that_fails_loses_nothing_and_is_tried_again_under_its_number(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client, again: str
    ) -> None:
        question = answered(people, chat, worker)
        regenerate(owner, question)
        worker.fail(worker.claim()[0], "content_blocked")
        assert state(database, question) == ("failed", 2)
        assert current(owner, chat) == ["Why?", "Because."]

        owner.post(f"/rpc/{again}", json={"message_id": str(question)}).raise_for_status()
        assert state(database, question) == ("pending", 2)
        worker.complete(worker.claim()[0], "Better.")
        assert answers(database, question) == {1: "Because.", 2: "Better."}

    def test_a_failed_version_leaves_the_one_before_in_the_context(
        self, people: People, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        question = answered(people, chat, worker)
        regenerate(owner, question)
        worker.fail(worker.claim()[0])
        people.ask(chat, "And then?")
        assert [each["content"] for each in worker.claim()[0]["history"]] == ["Why?", "Because."]

    def test_stopped_before_a_word_it_leaves_the_one_before(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        question = answered(people, chat, worker)
        regenerate(owner, question)
        owner.post("/rpc/cancel_reply", json={"message_id": str(question)}).raise_for_status()
        assert state(database, question) == ("cancelled", 2)
        assert current(owner, chat) == ["Why?", "Because."]
        assert regenerate(owner, question).json()["version"] == 2

    def test_what_was_shown_of_a_stopped_version_is_a_version(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        question = answered(people, chat, worker)
        regenerate(owner, question)
        (claimed,) = worker.claim()
        owner.post("/rpc/cancel_reply", json={"message_id": str(question)}).raise_for_status()
        worker.complete(claimed, "Bet", "cancelled")
        assert current(owner, chat) == ["Why?", "Bet"]
        assert regenerate(owner, question).json()["version"] == 3
        worker.complete(worker.claim()[0], "Best.")
        assert answers(database, question) == {1: "Because.", 2: "Bet", 3: "Best."}

    def test_only_the_newest_answer(self, people: People, chat: Chat, worker: Holder, owner: httpx.Client) -> None:
        earlier = answered(people, chat, worker)
        newest = people.ask(chat, "And then?")
        assert is_refused(regenerate(owner, earlier), 409, "reply_state")
        assert is_refused(regenerate(owner, newest), 409, "reply_state")
        (claimed,) = worker.claim()
        assert is_refused(regenerate(owner, newest), 409, "reply_state")
        worker.fail(claimed)
        assert "Retry it instead" in regenerate(owner, newest).json()["message"]

    def test_not_in_an_archived_chat(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        question = answered(people, chat, worker)
        database.execute("update public.chat_sessions set status = 'archived' where id = %s", [chat.session])
        assert is_refused(regenerate(owner, question), 409, "session_archived")

    def test_the_flood_guard_counts_it(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        question = answered(people, chat, worker)
        for _ in range(5):
            other = people.make_chat(chat.user)
            database.execute(
                "insert into public.chat_messages (session_id, content) select %s, 'Hi' from generate_series(1, 20)",
                [other.session],
            )
        assert is_refused(regenerate(owner, question), 429, "too_many_pending")
        assert state(database, question) == ("completed", 1)

    def test_missing_and_foreign_messages_look_the_same(self, people: People, chat: Chat, worker: Holder) -> None:
        question = answered(people, chat, worker)
        stranger = people.signed_in(people.make_user())
        assert is_refused(regenerate(stranger, question), 404, "not_found")
        assert regenerate(stranger, question).text == regenerate(stranger, uuid4()).text

    @pytest.mark.parametrize("by_hand", [False, True])
    def test_the_twentieth_version_is_the_last(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client, by_hand: bool
    ) -> None:
        question = answered(people, chat, worker)
        for _ in range(19):
            regenerate(owner, question).raise_for_status()
            assert worker.complete(worker.claim()[0], "Better.")
        assert len(answers(database, question)) == 20

        if by_hand:
            with pytest.raises(psycopg.Error, match="This answer has 20 versions already") as refused:
                database.execute(
                    "update public.chat_replies set status = 'pending', version = 21 where message_id = %s",
                    [question],
                )
            assert refused.value.sqlstate == "PT409"
        else:
            refusal = regenerate(owner, question)
            assert is_refused(refusal, 409, "too_many_versions")
            assert refusal.json()["message"] == "This answer has 20 versions already, and gets no more."
        assert state(database, question) == ("completed", 20)

    def test_the_twentieth_may_fail_and_be_tried_again(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        question = answered(people, chat, worker)
        for _ in range(18):
            regenerate(owner, question).raise_for_status()
            assert worker.complete(worker.claim()[0], "Better.")
        regenerate(owner, question).raise_for_status()
        worker.fail(worker.claim()[0], "content_blocked")
        assert regenerate(owner, question).json()["version"] == 20

    def test_twice_at_once_is_one_version(
        self, people: People, database: Connection, chat: Chat, worker: Holder
    ) -> None:
        question = answered(people, chat, worker)
        clients = [people.signed_in(chat.user) for _ in range(2)]
        with ThreadPoolExecutor(2) as threads:
            seen = sorted(threads.map(lambda client: regenerate(client, question).status_code, clients))
        assert seen == [200, 409]
        assert state(database, question) == ("pending", 2)

    @pytest.mark.parametrize(
        "change",
        ["version = 2", "version = 3, status = 'pending'", "version = 0, status = 'pending'", "status = 'pending'"],
    )
    def test_by_hand_there_is_no_other_way(
        self, people: People, database: Connection, chat: Chat, worker: Holder, change: str
    ) -> None:
        question = answered(people, chat, worker)
        with pytest.raises(psycopg.Error) as refused:
            database.execute(f"update public.chat_replies set {change} where message_id = %s", [question])
        assert refused.value.sqlstate == "PT409"
        assert state(database, question) == ("completed", 1)

    def test_a_version_without_an_answer_has_no_next(self, people: People, database: Connection, chat: Chat) -> None:
        question = people.ask(chat)
        database.execute("update public.chat_replies set status = 'cancelled' where message_id = %s", [question])
        with pytest.raises(psycopg.Error) as refused:
            database.execute(
                "update public.chat_replies set status = 'pending', version = 2 where message_id = %s", [question]
            )
        assert refused.value.sqlstate == "PT409"
