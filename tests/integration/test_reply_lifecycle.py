"""What becomes of a reply: claimed, answered, failed, retried, stopped, lost. Time passes by the database's clock."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import CALL, Holder, Reply
from tests.support.people import Chat, People, User

pytestmark = pytest.mark.usefixtures("quiet")

MakeHolder = Callable[[], Holder]


class Rows:
    """What the tables say of one question."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def reply(self, message: UUID) -> dict[str, Any]:
        (row,) = self._all("select * from public.chat_replies where message_id = %s", message)
        return row

    def status(self, message: UUID) -> str:
        return self.reply(message)["status"]

    def answers(self, message: UUID) -> list[dict[str, Any]]:
        return self._all("select * from public.chat_messages where reply_to = %s order by version", message)

    def calls(self, message: UUID) -> dict[int, str]:
        """The ledger: attempt → outcome."""
        rows = self._all("select * from public.external_api_call_logs where message_id = %s", message)
        return {row["attempt"]: row["outcome"] for row in rows}

    def seconds_of(self, question: UUID, attempt: int) -> float:
        """From the beginning of a call to its end."""
        row = one_row(
            self._database.execute(
                """select extract(epoch from finished_at - started_at)::float8 as seconds
            from public.external_api_call_logs where message_id = %s and attempt = %s""",
                [question, attempt],
            )
        )
        return row["seconds"]

    def tokens(self, message: UUID) -> dict[int, int | None]:
        rows = self._all("select * from public.external_api_call_logs where message_id = %s", message)
        return {row["attempt"]: row["prompt_tokens"] for row in rows}

    def queued(self, message: UUID) -> dict[str, Any] | None:
        found = self._all("select *, due_at <= now() as due from private.reply_queue where message_id = %s", message)
        return found[0] if found else None

    def drafts(self, message: UUID) -> list[dict[str, Any]]:
        """The text of each attempt: through the view, only its owner would see it."""
        return self._all(
            """select attempt, version, string_agg(content, '' order by starts_at) as content
            from private.draft_pieces where message_id = %s group by attempt, version""",
            message,
        )

    def _all(self, statement: str, message: UUID) -> list[dict[str, Any]]:
        return self._database.execute(statement, [message]).fetchall()


@pytest.fixture
def rows(database: Connection) -> Rows:
    return Rows(database)


@pytest.fixture
def worker(make_holder: MakeHolder) -> Holder:
    return make_holder()


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.fixture
def make_due(database: Connection) -> Callable[[UUID], None]:
    """The back-off of a reply is over: nobody waits for it in a test."""

    def due(message: UUID) -> None:
        database.execute(
            "update private.reply_queue set due_at = now() - interval '1 ms' where message_id = %s", [message]
        )

    return due


FallSilent = Callable[[Holder], None]


@pytest.fixture
def falls_silent(database: Connection) -> FallSilent:
    """Nothing was heard of this worker for a whole life: the next one that claims buries it."""

    def silence(worker: Holder) -> None:
        database.execute("update private.workers set alive_until = now() where id = %s", [worker.id])

    return silence


def ask_model(worker: Holder, reply: Reply) -> None:
    """From here on it is a call: whatever becomes of it, it stays in the ledger."""
    worker.beat({**reply, "model": "gemini-test"})


def command(people: People, user: User, name: str, message: UUID) -> Any:
    return people.signed_in(user).post(f"/rpc/{name}", json={"message_id": str(message)})


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


class TestHolding:
    @pytest.mark.parametrize(
        ("asked", "calls_left", "calls"),
        [(False, 4, {2: "claimed"}), (True, 3, {1: "lost", 2: "claimed"})],
        ids=["before its call", "in its call"],
    )
    def test_a_dead_worker_s_reply_is_claimed_by_another(
        self,
        people: People,
        rows: Rows,
        chat: Chat,
        make_holder: MakeHolder,
        falls_silent: FallSilent,
        asked: bool,
        calls_left: int,
        calls: dict[int, str],
    ) -> None:
        question = people.ask(chat)
        dead, living = make_holder(), make_holder()
        (old,) = dead.claim()
        if asked:
            ask_model(dead, old)
        assert living.claim() == []
        falls_silent(dead)
        (claimed,) = living.claim()
        assert (claimed["message_id"], claimed["attempt"]) == (str(question), 2)
        assert claimed["calls_left"] == calls_left
        assert rows.calls(question) == calls
        assert dead.beat(old)["alive"] is False

    def test_a_life_ends_by_the_clock(
        self, people: People, chat: Chat, make_holder: MakeHolder, database: Connection
    ) -> None:
        people.ask(chat)
        make_holder().claim(lease=0.2)
        database.execute("select pg_sleep(0.25)")
        assert len(make_holder().claim()) == 1

    def test_who_was_not_heard_for_a_life_itself_buries_nobody(
        self,
        people: People,
        chat: Chat,
        worker: Holder,
        falls_silent: FallSilent,
        database: Connection,
        database_url: str,
    ) -> None:
        """After an outage of the API all look dead, and the first one back would bury all the others."""
        people.ask(chat)
        worker.claim()
        falls_silent(worker)
        with Holder(database_url, is_new=True) as newcomer:
            assert newcomer.claim() == []
            database.execute(
                "update private.workers set heard_since = now() - interval '15 s' where id = %s", [newcomer.id]
            )
            assert len(newcomer.claim()) == 1

    def test_a_beat_keeps_it(
        self, people: People, chat: Chat, worker: Holder, make_holder: MakeHolder, falls_silent: FallSilent
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        falls_silent(worker)
        answer = worker.beat(claimed)
        assert answer["alive"] is True
        assert answer["replies"] == [
            {"message_id": str(question), "attempt": 1, "held": True, "cancel_requested": False}
        ]
        assert make_holder().claim() == []
        assert worker.complete(claimed) is True

    def test_an_id_that_was_buried_never_comes_back(
        self, people: People, chat: Chat, worker: Holder, make_holder: MakeHolder, falls_silent: FallSilent
    ) -> None:
        people.ask(chat)
        (claimed,) = worker.claim()
        falls_silent(worker)
        (current,) = make_holder().claim()
        assert worker.beat(claimed)["alive"] is False
        assert worker.claim_numbered(2) == {"alive": False, "replies": [], "next_due_in_ms": None, "refused": {}}
        assert worker.complete(claimed) is False
        assert current["attempt"] == 2

    def test_what_a_worker_does_not_know_of_goes_back_with_its_beat(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        """The answer to its claim got lost."""
        question = people.ask(chat)
        worker.claim()
        worker.beat(known=worker.claims - 1)
        assert rows.status(question) == "answering"
        worker.beat(known=worker.claims)
        assert (rows.status(question), rows.calls(question)) == ("pending", {})
        (again,) = worker.claim()
        assert (again["attempt"], again["calls_left"]) == (2, 4)

    @pytest.mark.parametrize("settle", ["complete", "fail", "fail and retry", "next_attempt", "save_draft", "beat"])
    def test_a_stale_worker_changes_nothing_but_its_own_call(
        self,
        people: People,
        rows: Rows,
        chat: Chat,
        make_holder: MakeHolder,
        falls_silent: FallSilent,
        settle: str,
    ) -> None:
        question = people.ask(chat)
        stale, holder = make_holder(), make_holder()
        (old,) = stale.claim()
        ask_model(stale, old)
        falls_silent(stale)
        (current,) = holder.claim()
        holder.save_draft(current, "Shown")
        before = (rows.reply(question), rows.queued(question), rows.drafts(question))

        actions: dict[str, Callable[[Reply], object]] = {
            "complete": stale.complete,
            "fail": stale.fail,
            "fail and retry": lambda reply: stale.fail(reply, retry_in=0),
            "next_attempt": stale.next_attempt,
            "save_draft": lambda reply: stale.save_draft(reply, "Mine"),
            "beat": lambda reply: stale.beat(reply)["alive"],
        }
        assert not actions[settle](old)

        assert (rows.reply(question), rows.queued(question), rows.drafts(question)) == before
        assert rows.answers(question) == []
        assert rows.calls(question) == {1: "lost", 2: "claimed"}
        if settle in ("complete", "fail", "fail and retry", "next_attempt"):
            assert rows.tokens(question) == {1: 100, 2: None}
        assert holder.complete(current) is True

    def test_a_call_that_was_taken_away_before_it_was_named_is_in_the_ledger_all_the_same(
        self,
        people: People,
        rows: Rows,
        chat: Chat,
        worker: Holder,
        make_holder: MakeHolder,
        falls_silent: FallSilent,
    ) -> None:
        question = people.ask(chat)
        (old,) = worker.claim()
        falls_silent(worker)
        (current,) = make_holder().claim()
        assert rows.calls(question) == {2: "claimed"}
        whose = {"session_id": str(chat.session), "user_id": str(chat.user.id)}
        for _ in range(2):
            assert worker.fail(old, "timed_out", call={**CALL, **whose, "latency_ms": 60_000}) is False
        assert (rows.calls(question), rows.tokens(question)) == ({1: "lost", 2: "claimed"}, {1: 100, 2: None})
        assert rows.seconds_of(question, 1) >= 60  # it began when it was made, not when it was told
        assert current["calls_left"] == 4

    def test_the_fence_asks_for_worker_and_attempt(
        self, people: People, rows: Rows, chat: Chat, make_holder: MakeHolder
    ) -> None:
        question = people.ask(chat)
        worker = make_holder()
        (claimed,) = worker.claim()
        assert make_holder().complete(claimed) is False
        assert worker.complete({**claimed, "attempt": 2}) is False
        assert worker.complete({**claimed, "message_id": str(uuid4())}) is False
        assert rows.answers(question) == []

    def test_a_stale_worker_cannot_stop_being_stale(
        self, people: People, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        """The same process gave its claim back and got it again: its first attempt is stale all the same."""
        question = people.ask(chat)
        (old,) = worker.claim()
        assert worker.give_back(old) == 1
        (current,) = worker.claim()
        assert worker.give_back(old) == 0
        assert worker.complete(old) is False
        assert worker.complete(current) is True
        assert rows.calls(question) == {2: "ok"}

    def test_give_back_is_due_again_later_and_does_not_count(
        self, people: People, rows: Rows, chat: Chat, worker: Holder, make_due: Callable[[UUID], None]
    ) -> None:
        question = people.ask(chat)
        for attempt in range(1, 7):
            (claimed,) = worker.claim()
            assert (claimed["attempt"], claimed["calls_left"]) == (attempt, 4)
            assert worker.give_back(claimed, due_in=30) == 1
            assert (rows.status(question), rows.calls(question)) == ("pending", {})
            assert worker.claim() == []
            make_due(question)

    @pytest.mark.parametrize(
        ("asked", "calls"),
        [(False, {2: "claimed"}), (True, {1: "lost", 2: "claimed"})],
        ids=["before its call", "in its call"],
    )
    def test_release_is_due_at_once_and_costs_nothing(
        self,
        people: People,
        rows: Rows,
        chat: Chat,
        worker: Holder,
        make_holder: MakeHolder,
        asked: bool,
        calls: dict[int, str],
    ) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        if asked:
            ask_model(worker, claimed)
        assert worker.release() == 1
        assert rows.status(question) == "pending"
        assert worker.complete(claimed) is False
        assert worker.beat(claimed)["alive"] is False
        (again,) = make_holder().claim()
        assert (again["attempt"], again["calls_left"]) == (2, 4)
        assert rows.calls(question) == calls

    def test_release_leaves_others_alone(
        self, people: People, rows: Rows, chat: Chat, worker: Holder, make_holder: MakeHolder
    ) -> None:
        question = people.ask(chat)
        worker.claim()
        assert make_holder().release() == 0
        assert rows.status(question) == "answering"


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

    @pytest.mark.parametrize("way", ["release", "give_back", "beat"])
    def test_whatever_frees_a_reply_fulfils_the_wish(
        self, people: People, rows: Rows, chat: Chat, worker: Holder, make_holder: MakeHolder, way: str
    ) -> None:
        """At once: there may be no further claim that would."""
        question = people.ask(chat)
        (claimed,) = worker.claim()
        worker.save_draft(claimed, "What was shown")
        command(people, chat.user, "cancel_reply", question)
        free: Callable[[], Any] = {
            "release": worker.release,
            "give_back": lambda: worker.give_back(claimed, due_in=60),
            "beat": lambda: worker.beat(known=worker.claims),
        }[way]
        free()
        assert rows.status(question) == "cancelled"
        assert [answer["content"] for answer in rows.answers(question)] == ["What was shown"]
        assert make_holder().claim() == []

    @pytest.mark.parametrize("way", ["fail", "give_back"])
    def test_while_it_is_put_off(self, people: People, rows: Rows, chat: Chat, worker: Holder, way: str) -> None:
        question = people.ask(chat)
        (claimed,) = worker.claim()
        if way == "fail":
            worker.fail(claimed, "timed_out", retry_in=60)
        else:
            worker.give_back(claimed, due_in=60)
        assert command(people, chat.user, "cancel_reply", question).json()["status"] == "cancelled"
        assert rows.queued(question) is None

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

    def test_the_reply_under_way_by_hand_queues_the_next(
        self, people: People, database: Connection, rows: Rows, chat: Chat, worker: Holder
    ) -> None:
        question, following = people.ask(chat), people.ask(chat)
        (claimed,) = worker.claim()
        database.execute("delete from public.chat_messages where id = %s", [question])
        assert worker.complete(claimed) is False
        assert [each["message_id"] for each in worker.claim()] == [str(following)]
