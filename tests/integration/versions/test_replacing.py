"""Another wording of a question: the earlier one stays, and is not current."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.support.database import Connection
from tests.support.holder import Holder, MakeHolder
from tests.support.people import Chat, People
from tests.support.versions import answered, answers, current, is_refused, replace, state

pytestmark = pytest.mark.usefixtures("quiet")

FallSilent = Callable[[Holder], None]


class TestReplacing:
    def test_the_new_question_takes_the_place_of_the_old(
        self, people: People, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        answered(people, chat, worker, "First", "One.")
        old = answered(people, chat, worker, "Wy?", "What?")
        response = replace(owner, chat, old, "Why?")
        assert (response.status_code, response.json()[0]["turn"], response.json()[0]["replaces"]) == (
            201,
            3,
            str(old),
        )
        assert current(owner, chat) == ["First", "One.", "Why?"]

        (claimed,) = worker.claim()
        assert [each["content"] for each in claimed["history"]] == ["First", "One."]
        worker.complete(claimed, "Because.")
        people.ask(chat, "And then?")
        assert [each["content"] for each in worker.claim()[0]["history"]] == ["First", "One.", "Why?", "Because."]

    def test_a_chain(self, people: People, chat: Chat, worker: Holder, owner: httpx.Client) -> None:
        question = answered(people, chat, worker, "1", "One.")
        for n in range(2, 5):
            question = UUID(replace(owner, chat, question, str(n)).json()[0]["id"])
            worker.complete(worker.claim()[0], f"Answer {n}")
        assert current(owner, chat) == ["4", "Answer 4"]
        following = people.ask(chat, "Next")
        (claimed,) = worker.claim()
        assert claimed["message_id"] == str(following)
        assert [each["content"] for each in claimed["history"]] == ["4", "Answer 4"]

    def test_while_it_waits_it_is_cancelled_at_once(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        old = people.ask(chat)
        new = replace(owner, chat, old).json()[0]["id"]
        assert state(database, old) == ("cancelled", 1)
        (claimed,) = worker.claim()
        assert claimed["message_id"] == new
        assert claimed["history"] == []

    def test_while_it_is_answered_the_worker_is_asked_and_the_new_one_waits(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        old = people.ask(chat)
        (claimed,) = worker.claim()
        new = replace(owner, chat, old).json()[0]["id"]
        assert (state(database, old), worker.claim()) == (("answering", 1), [])
        assert worker.beat(claimed)["replies"][0]["cancel_requested"] is True

        assert worker.complete(claimed, "What was shown", "cancelled") is True
        assert answers(database, old) == {1: "What was shown"}
        (following,) = worker.claim()
        assert (following["message_id"], following["history"]) == (new, [])

    def test_when_its_worker_is_dead_what_was_shown_is_kept(
        self,
        people: People,
        database: Connection,
        chat: Chat,
        make_holder: MakeHolder,
        owner: httpx.Client,
        falls_silent: FallSilent,
    ) -> None:
        old, dead = people.ask(chat), make_holder()
        (claimed,) = dead.claim()
        dead.save_draft(claimed, "What was shown")
        falls_silent(dead)
        new = replace(owner, chat, old).json()[0]["id"]
        assert (state(database, old), answers(database, old)) == (("cancelled", 1), {1: "What was shown"})
        assert [each["message_id"] for each in make_holder().claim()] == [new]
        assert dead.complete(claimed) is False

    def test_when_its_worker_dies_after_the_wish(
        self,
        people: People,
        database: Connection,
        chat: Chat,
        make_holder: MakeHolder,
        owner: httpx.Client,
        falls_silent: FallSilent,
    ) -> None:
        old, dead = people.ask(chat), make_holder()
        dead.claim()
        new = replace(owner, chat, old).json()[0]["id"]
        falls_silent(dead)
        assert [each["message_id"] for each in make_holder().claim()] == [new]
        assert state(database, old) == ("cancelled", 1)

    @pytest.mark.parametrize("command", ["retry_reply", "regenerate_reply"])
    def test_a_replaced_question_is_not_answered_any_more(
        self, people: People, chat: Chat, worker: Holder, owner: httpx.Client, command: str
    ) -> None:
        old = people.ask(chat)
        worker.fail(worker.claim()[0])
        replace(owner, chat, old)
        response = owner.post(f"/rpc/{command}", json={"message_id": str(old)})
        assert is_refused(response, 409, "reply_state")

    def test_only_the_newest_question(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        earlier, newest = answered(people, chat, worker), answered(people, chat, worker)
        assert is_refused(replace(owner, chat, earlier), 409, "reply_state")
        replace(owner, chat, newest).raise_for_status()
        assert is_refused(replace(owner, chat, newest), 409, "reply_state")
        assert database.execute("select last_turn from public.chat_sessions").fetchone() == {"last_turn": 3}

    def test_not_an_answer_nor_the_question_of_another_chat(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        question = answered(people, chat, worker)
        (answer,) = database.execute("select id from public.chat_messages where reply_to = %s", [question]).fetchall()
        mine, theirs = people.ask(people.make_chat(chat.user)), people.ask(people.make_chat())
        texts = {
            replace(owner, chat, each).text
            for each in (answer["id"], mine, theirs, uuid4())
            if is_refused(replace(owner, chat, each), 404, "not_found")
        }
        assert len(texts) == 1
        assert {state(database, each) for each in (mine, theirs)} == {("pending", 1)}

    def test_a_stranger_stops_nothing(self, people: People, database: Connection, chat: Chat) -> None:
        question = people.ask(chat)
        response = replace(people.signed_in(people.make_user()), chat, question)
        assert (response.status_code, response.json()["code"]) == (403, "42501")
        assert state(database, question) == ("pending", 1)

    def test_what_is_refused_stops_nothing(
        self, people: People, database: Connection, chat: Chat, owner: httpx.Client
    ) -> None:
        question = people.ask(chat)
        assert replace(owner, chat, question, " ").status_code == 400
        database.execute("update public.chat_sessions set status = 'archived' where id = %s", [chat.session])
        assert is_refused(replace(owner, chat, question), 409, "session_archived")
        assert state(database, question) == ("pending", 1)

    def test_sending_it_again_is_harmless(
        self, people: People, database: Connection, chat: Chat, owner: httpx.Client
    ) -> None:
        old, new = people.ask(chat), str(uuid4())
        row = {"id": new, "session_id": str(chat.session), "role": "user", "content": "Why?", "replaces": str(old)}
        for _ in range(2):
            owner.post(
                "/chat_messages",
                params={"on_conflict": "id"},
                headers={"prefer": "resolution=ignore-duplicates"},
                json=row,
            ).raise_for_status()
        assert database.execute("select last_turn from public.chat_sessions").fetchone() == {"last_turn": 2}

    def test_two_edits_of_one_question_cannot_both_win(
        self, people: People, database: Connection, chat: Chat, database_url: str
    ) -> None:
        """The first has not committed when the second comes: it must wait, and then see that it is late."""
        question = people.ask(chat)
        statement = "insert into public.chat_messages (session_id, content, replaces) values (%s, %s, %s)"
        with psycopg.connect(database_url) as first, ThreadPoolExecutor(1) as thread:
            first.execute(statement, [chat.session, "First", question])

            is_tried = Event()

            def second() -> str | None:
                """Asked again for as long as it is too busy: no lock is waited for longer than 300 ms."""
                with psycopg.connect(database_url, autocommit=True) as late:
                    while True:
                        try:
                            late.execute(statement, [chat.session, "Second", question])
                        except psycopg.Error as refused:
                            if refused.sqlstate != "PT429":
                                return refused.sqlstate
                        else:
                            return None
                        is_tried.set()

            waiting = thread.submit(second)
            assert is_tried.wait(10)
            assert not waiting.done()
            first.commit()
            assert waiting.result() == "PT409"

    def test_the_key_alone_would_refuse_the_second(
        self, people: People, database: Connection, chat: Chat, owner: httpx.Client
    ) -> None:
        question = people.ask(chat)
        replace(owner, chat, question).raise_for_status()
        with database.transaction():
            database.execute("alter table public.chat_messages disable trigger order_message")
            refused = pytest.raises(psycopg.errors.UniqueViolation, match="one_replacement_per_question")
            with refused, database.transaction():
                database.execute(
                    """insert into public.chat_messages (session_id, user_id, content, turn, replaces)
                    values (%s, %s, 'Second', 9, %s)""",
                    [chat.session, chat.user.id, question],
                )
            database.execute("alter table public.chat_messages enable trigger order_message")

    def test_replacing_and_completing_at_the_same_moment(
        self, people: People, database: Connection, chat: Chat, worker: Holder, database_url: str
    ) -> None:
        """Whoever has the session first: the other waits, and the new question is answered next in both cases."""
        old = people.ask(chat)
        (claimed,) = worker.claim()
        with psycopg.connect(database_url) as replacing, ThreadPoolExecutor(1) as thread:
            replacing.execute(
                "insert into public.chat_messages (session_id, content, replaces) values (%s, 'New', %s)",
                [chat.session, old],
            )
            completing = thread.submit(worker.complete, claimed, "Because.")
            time.sleep(0.3)
            assert not completing.done()
            replacing.commit()
            assert completing.result() is True
        assert state(database, old) == ("completed", 1)
        (following,) = worker.claim()
        assert (following["question"], following["history"]) == ("New", [])

    def test_deleting_the_chat_takes_all_of_it(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        old = answered(people, chat, worker)
        replace(owner, chat, old).raise_for_status()
        owner.delete("/chat_sessions", params={"id": f"eq.{chat.session}"}).raise_for_status()
        assert database.execute("select count(*) from public.chat_messages").fetchone() == {"count": 0}

    def test_deleting_the_old_question_by_hand_keeps_the_new(
        self, people: People, database: Connection, chat: Chat, worker: Holder, owner: httpx.Client
    ) -> None:
        old = answered(people, chat, worker)
        replace(owner, chat, old, "New").raise_for_status()
        database.execute("delete from public.chat_messages where id = %s", [old])
        assert current(owner, chat) == ["New"]


def test_the_page_s_read_of_a_turn_knows_its_answers_apart_from_what_replaced_it(
    people: People, chat: Chat, worker: Holder, owner: httpx.Client
) -> None:
    """Two keys lead from messages to messages: the embedding must take the one that it names."""
    old = answered(people, chat, worker, "Wy?", "What?")
    new = replace(owner, chat, old, "Why?").json()[0]["id"]
    worker.complete(worker.claim()[0], "Because.")
    found = owner.get(
        "/chat_messages",
        params={"select": "id,answers:chat_messages!reply_to(content)", "role": "eq.user", "order": "turn"},
    ).json()
    assert found == [
        {"id": str(old), "answers": [{"content": "What?"}]},
        {"id": new, "answers": [{"content": "Because."}]},
    ]
