"""What is told of this moment: the queue and the workers."""

from collections.abc import Callable
from typing import Any

from tests.support.database import Connection
from tests.support.holder import Holder
from tests.support.people import Chat, People

QUESTION = "Who is the kingfisher?"


def test_nothing_has_happened_yet(report: Callable[[], dict[str, Any]]) -> None:
    found = report()
    assert found["queue"] == {
        "pending": 0,
        "oldest_pending_seconds": None,
        "in_flight": 0,
        "workers": 0,
        "waiting_to_retry": 0,
        "overdue": 0,
        "oldest_overdue_seconds": None,
        "mended": 0,
        "set_aside": 0,
        "refuses_questions": False,
    }
    assert found["workers"] == []
    assert found["days"] == []
    nothing = {"replies": {}, "failures": {}, "calls": {}, "retries": 0, "models": []}
    assert found["periods"] == [{"hours": 24, **nothing}, {"hours": 168, **nothing}]


def test_the_queue(
    report: Callable[[], dict[str, Any]], people: People, worker: Holder, database: Connection
) -> None:
    claimed, retried, overdue = people.make_chat(), people.make_chat(), people.make_chat()
    people.ask(claimed)
    people.ask(retried)
    first, second = worker.claim()
    worker.fail(second, "model_overloaded", retry_in=60.0)
    people.ask(overdue)
    people.ask(overdue)  # behind it in the same chat: pending, and not in the queue
    database.execute("update private.reply_queue set due_at = now() - interval '90 seconds' where due_at <= now()")
    # The oldest question is behind the one in flight, and its turn has not come: its age has not begun.
    database.execute("update public.chat_replies set created_at = now() - interval '9 minutes'")
    database.execute(
        "update private.reply_queue set waiting_since = now() - interval '8 minutes' where worker_id is not null"
    )
    database.execute(
        "update private.reply_queue set waiting_since = now() - interval '5 minutes' where worker_id is null"
    )

    queue = report()["queue"]

    assert (queue["in_flight"], queue["workers"], queue["waiting_to_retry"], queue["overdue"]) == (1, 1, 1, 1)
    assert queue["pending"] == 3
    assert 300 <= queue["oldest_pending_seconds"] < 330
    assert 90 <= queue["oldest_overdue_seconds"] < 120
    assert first["message_id"]


def test_what_a_dead_worker_holds_is_in_flight_until_it_is_buried(
    report: Callable[[], dict[str, Any]],
    people: People,
    chat: Chat,
    worker: Holder,
    database: Connection,
    database_url: str,
) -> None:
    people.ask(chat)
    worker.claim()
    database.execute("update private.workers set alive_until = now()")
    queue = report()["queue"]
    assert (queue["in_flight"], queue["workers"], queue["overdue"]) == (1, 0, 0)

    with Holder(database_url) as other:
        assert other.claim(most=0) == []
    queue = report()["queue"]
    assert (queue["in_flight"], queue["workers"], queue["overdue"]) == (0, 1, 1)


def test_the_workers(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat, worker: Holder, database: Connection
) -> None:
    people.ask(chat)
    (claimed,) = worker.claim()
    worker.beat(claimed, closed=30)
    [found] = report()["workers"]
    assert (found["id"], found["version"], found["concurrency"]) == (str(worker.id), "test", 50)
    assert (found["holds"], found["models_open_at"] is not None) == (1, True)
    assert 0 <= found["heard_seconds_ago"] < 5
    worker.release()
    assert report()["workers"] == []


def test_the_queue_alone_says_what_the_report_says(
    report: Callable[[], dict[str, Any]], people: People, chat: Chat
) -> None:
    people.ask(chat, QUESTION)
    answer = people.service().post("/rpc/ops_queue")
    assert answer.status_code == 200, answer.text
    ages = ("oldest_pending_seconds", "oldest_overdue_seconds")
    whole, alone = report()["queue"], answer.json()
    assert alone["pending"] == 1
    assert {name: value for name, value in alone.items() if name not in ages} == {
        name: value for name, value in whole.items() if name not in ages
    }
    assert people.signed_in(chat.user).post("/rpc/ops_queue").status_code == 403


def test_a_claim_says_how_long_the_question_has_waited(
    people: People, chat: Chat, worker: Holder, database: Connection
) -> None:
    """Since it became its chat's next, without the time for which workers held it."""
    people.ask(chat, QUESTION)
    database.execute("update private.reply_queue set waiting_since = now() - interval '90 s'")
    [first] = worker.claim()
    assert 90_000 <= first["waiting_ms"] < 120_000

    database.execute("update private.reply_queue set claimed_at = now() - interval '60 s'")
    worker.give_back(first)
    [second] = worker.claim()
    assert 30_000 <= second["waiting_ms"] < 60_000

    database.execute("update private.reply_queue set claimed_at = now() - interval '25 s'")
    worker.fail(second, "timed_out", retry_in=0)
    [third] = worker.claim()
    assert 5_000 <= third["waiting_ms"] < 30_000
