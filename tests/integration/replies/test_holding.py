"""Who holds a reply: beats keep it, silence loses it, and no stale worker changes it."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from tests.support.database import Connection
from tests.support.holder import CALL, Holder, MakeHolder, Reply, ask_model
from tests.support.people import Chat, People
from tests.support.rows import Rows

pytestmark = pytest.mark.usefixtures("quiet")

FallSilent = Callable[[Holder], None]


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
