"""The project's spend cap and its pause: over them users get no new answer begun, and what was begun is answered."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.support.holder import CALL, Holder
from tests.support.people import Chat, People

Connection = psycopg.Connection[dict[str, Any]]
Settings = Callable[..., None]

REFUSED_WHEN = ["paused", "spend_cap_day", "spend_cap_month"]
UNPRICED = {**CALL, "cost_usd": None}


@pytest.fixture(autouse=True)
def nothing_spent(quiet: None, no_figures: None, database: Connection) -> Iterator[None]:
    yield
    change(database, paused=False, spend_cap_usd_per_day=None, spend_cap_usd_per_month=None)
    forget(database)


def change(database: Connection, **values: object) -> None:
    """As an operator does in the dashboard."""
    for column, value in values.items():
        database.execute(f"update public.chat_settings set {column} = %s", [value])


def forget(database: Connection) -> None:
    database.execute("update private.spend set day = '-infinity', measured_at = '-infinity'")


def refuse_by(database: Connection, reason: str) -> None:
    change(database, **({"paused": True} if reason == "paused" else {cap_of(reason): 0}))


def cap_of(reason: str) -> str:
    return f"spend_cap_usd_per_{reason.removeprefix('spend_cap_')}"


def measure(people: People) -> dict[str, Any]:
    answer = people.service().post("/rpc/measure_spend")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ask(people: People, chat: Chat, **more: object) -> httpx.Response:
    message = {"session_id": str(chat.session), "content": "Why did it work?", **more}
    return people.signed_in(chat.user).post("/chat_messages", json=message)


def command(people: People, name: str, chat: Chat, message: UUID) -> httpx.Response:
    return people.signed_in(chat.user).post(f"/rpc/{name}", json={"message_id": str(message)})


def turns_of(database: Connection, chat: Chat) -> list[tuple[str, int]]:
    rows = database.execute(
        "select role, turn from public.chat_messages where session_id = %s order by turn, role", [chat.session]
    )
    return [(row["role"], row["turn"]) for row in rows.fetchall()]


def assert_refused(answer: httpx.Response, reason: str) -> dict[str, Any]:
    body = answer.json()
    assert (answer.status_code, body["code"], body["hint"]) == (429, "project_paused", "project_paused")
    assert body["message"].endswith(".")
    details: dict[str, Any] = json.loads(body["details"])
    assert details["reason"] == reason
    assert int(answer.headers["retry-after"]) >= 1
    return details


@pytest.mark.parametrize("reason", REFUSED_WHEN)
def test_a_question_is_refused_and_leaves_no_trace(people: People, database: Connection, reason: str) -> None:
    chat = people.make_chat()
    refuse_by(database, reason)

    assert_refused(ask(people, chat), reason)

    assert turns_of(database, chat) == []
    session = database.execute("select last_turn from public.chat_sessions where id = %s", [chat.session]).fetchone()
    assert session == {"last_turn": 0}
    change(database, paused=False, spend_cap_usd_per_day=None, spend_cap_usd_per_month=None)
    assert ask(people, chat).status_code == 201, "a switch that is turned back holds at once"


@pytest.mark.parametrize("reason", REFUSED_WHEN)
def test_a_retry_and_a_regeneration_are_refused(
    people: People, database: Connection, make_holder: Callable[[], Holder], reason: str
) -> None:
    worker = make_holder()
    failed, answered = people.make_chat(), people.make_chat()
    questions = {chat.session: people.ask(chat) for chat in (failed, answered)}
    for reply in worker.claim():
        if reply["message_id"] == str(questions[failed.session]):
            worker.fail(reply, "empty_reply")
        else:
            worker.complete(reply)
    refuse_by(database, reason)

    assert_refused(command(people, "retry_reply", failed, questions[failed.session]), reason)
    assert_refused(command(people, "regenerate_reply", answered, questions[answered.session]), reason)

    rows = database.execute("select status, version from public.chat_replies order by status").fetchall()
    assert [(row["status"], row["version"]) for row in rows] == [("completed", 1), ("failed", 1)]
    change(database, paused=False, spend_cap_usd_per_day=None, spend_cap_usd_per_month=None)
    assert command(people, "retry_reply", failed, questions[failed.session]).status_code == 200
    assert command(people, "regenerate_reply", answered, questions[answered.session]).status_code == 200


def test_a_question_in_the_place_of_another_stops_nothing_when_it_is_refused(
    people: People, database: Connection
) -> None:
    chat = people.make_chat()
    question = people.ask(chat)
    change(database, paused=True)

    assert_refused(ask(people, chat, replaces=str(question)), "paused")

    row = database.execute("select status from public.chat_replies where message_id = %s", [question]).fetchone()
    assert row == {"status": "pending"}


def test_what_is_under_way_and_what_waits_is_answered(
    people: People, database: Connection, make_holder: Callable[[], Holder]
) -> None:
    worker, begun, waiting = make_holder(), people.make_chat(), people.make_chat()
    ask(people, begun)
    (reply,) = worker.claim()
    ask(people, waiting)
    change(database, paused=True)

    assert worker.complete(reply)
    (other,) = worker.claim()
    assert worker.next_attempt(other) is not None, "a further call of a reply that was begun"
    other["attempt"] += 1
    assert worker.fail(other, "model_overloaded", retry_in=0.0)
    (again,) = worker.claim()
    assert worker.complete(again)
    assert turns_of(database, begun) == turns_of(database, waiting) == [("assistant", 1), ("user", 1)]


def test_a_question_that_is_stored_already_is_sent_again_without_harm(people: People, database: Connection) -> None:
    chat, message = people.make_chat(), str(uuid4())

    def send() -> httpx.Response:
        return people.signed_in(chat.user).post(
            "/chat_messages",
            params={"on_conflict": "id"},
            headers={"prefer": "resolution=ignore-duplicates"},
            json={"id": message, "session_id": str(chat.session), "role": "user", "content": "Why?"},
        )

    assert send().status_code == 201
    change(database, paused=True)
    assert send().status_code in (200, 201)


def test_a_replys_stop_is_not_refused(people: People, database: Connection) -> None:
    chat = people.make_chat()
    question = people.ask(chat)
    change(database, paused=True)
    assert command(people, "cancel_reply", chat, question).json()["status"] == "cancelled"


def test_the_service_and_the_dashboard_are_not_refused(people: People, database: Connection) -> None:
    chat = people.make_chat()
    change(database, paused=True)
    question = people.ask(chat)
    database.execute("update public.chat_replies set status = 'failed' where message_id = %s", [question])
    database.execute("update public.chat_replies set status = 'pending' where message_id = %s", [question])
    by_the_service = {"session_id": str(chat.session), "role": "user", "content": "And then?"}
    assert people.service().post("/chat_messages", json=by_the_service).status_code == 201


@pytest.mark.parametrize("reason", ["spend_cap_day", "spend_cap_month"])
def test_the_cap_is_reached_by_what_the_ledger_says(
    people: People, database: Connection, make_holder: Callable[[], Holder], reason: str
) -> None:
    worker, chat = make_holder(), people.make_chat()
    change(database, **{cap_of(reason): 0.25})
    for cost in (0.2, 0.05):
        measure(people)
        forget(database)  # some seconds pass
        assert ask(people, chat).status_code == 201
        (reply,) = worker.claim()
        worker.complete(reply, call={**CALL, "cost_usd": cost})
    spend = measure(people)

    assert (spend["refuses"], spend["usd_today"], spend["usd_this_month"]) == (reason, 0.25, 0.25)
    now = datetime.now(UTC)
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
    ends_at = {
        "spend_cap_day": midnight + timedelta(days=1),
        "spend_cap_month": (midnight.replace(day=1) + timedelta(days=32)).replace(day=1),
    }[reason]
    refused = ask(people, chat)
    assert datetime.fromisoformat(assert_refused(refused, reason)["resets_at"]) == ends_at
    left = (ends_at - now).total_seconds()
    assert left - 60 <= int(refused.headers["retry-after"]) <= left + 1
    change(database, **{cap_of(reason): 0.26})
    assert ask(people, chat).status_code == 201, "a higher cap holds at once"


def test_a_pause_has_no_known_end(people: People, database: Connection) -> None:
    change(database, paused=True, spend_cap_usd_per_day=0)
    refused = ask(people, people.make_chat())
    assert assert_refused(refused, "paused")["resets_at"] is None
    assert refused.headers["retry-after"] == "60"


def test_what_nobody_can_price_counts_as_estimated(
    people: People, make_holder: Callable[[], Holder], database: Connection
) -> None:
    """A model without a price, or calls that are lost, must not be a way past the cap."""
    worker = make_holder()
    people.ask(people.make_chat())
    people.ask(people.make_chat())
    first, second = worker.claim()
    worker.complete(first, call=UNPRICED)
    assert measure(people)["usd_today"] == 0.02
    forget(database)
    # Where answers are dearer than that, it counts as one of them.
    worker.complete(second, call={**CALL, "cost_usd": 0.5})
    assert measure(people)["usd_today"] == 1.0


def test_what_failed_and_what_was_lost_was_spent_too(
    people: People, make_holder: Callable[[], Holder], database: Connection
) -> None:
    worker = make_holder()
    for _ in range(2):
        people.ask(people.make_chat())
    failed, lost = worker.claim()
    worker.fail(failed, "empty_reply", call={**CALL, "cost_usd": 0.3})
    worker.beat({**lost, "model": "gemini-test"})
    worker.release()
    assert measure(people)["usd_today"] == pytest.approx(0.32)


def test_entries_and_sums_say_the_same(
    people: People, make_holder: Callable[[], Holder], database: Connection
) -> None:
    worker = make_holder()
    for _ in range(3):
        people.ask(people.make_chat())
    for reply, cost in zip(worker.claim(), (0.1, 0.2, None), strict=True):
        worker.complete(reply, call={**CALL, "cost_usd": cost})
    before = measure(people)["usd_this_month"]
    assert before == pytest.approx(0.3 + 0.15)
    worker.reconcile()
    forget(database)
    assert measure(people)["usd_this_month"] == before


@pytest.mark.parametrize(
    ("moment", "of_day", "of_month"),
    [
        ("2026-02-28T23:59:59Z", 2, 5),
        ("2026-03-01T01:59:59+02:00", 2, 5),
        ("2026-03-01T00:00:00Z", 0, 0),
        ("2026-02-28T00:00:00Z", 2, 5),
    ],
)
def test_days_and_months_are_those_of_utc(database: Connection, moment: str, of_day: float, of_month: float) -> None:
    database.execute("update private.spend set day = '2026-02-28', usd_of_day = 2, usd_of_month = 5")
    with database.transaction():
        database.execute("set local time zone 'Pacific/Auckland'")
        row = database.execute("select * from private.spent_by(%s)", [moment]).fetchone()
    assert row == {"usd_of_day": of_day, "usd_of_month": of_month}


def test_a_new_day_has_the_month_behind_it(database: Connection) -> None:
    database.execute("update private.spend set day = '2026-02-27', usd_of_day = 2, usd_of_month = 5")
    row = database.execute("select * from private.spent_by('2026-02-28T00:00:00Z')").fetchone()
    assert row == {"usd_of_day": 0, "usd_of_month": 5}


@pytest.mark.parametrize(
    ("cap", "moment", "resets_at"),
    [
        ("day", "2026-03-28T22:30:00Z", "2026-03-29T00:00:00Z"),
        ("day", "2026-03-29T12:00:00Z", "2026-03-30T00:00:00Z"),
        ("month", "2026-03-28T22:30:00Z", "2026-04-01T00:00:00Z"),
        ("month", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
    ],
)
def test_it_ends_with_the_day_or_the_month_of_utc_whatever_the_clocks_change(
    database: Connection, cap: str, moment: str, resets_at: str
) -> None:
    change(database, **{f"spend_cap_usd_per_{cap}": 0})
    with database.transaction():
        database.execute("set local time zone 'Europe/Berlin'")
        row = database.execute("select * from private.project_refusal(%s)", [moment]).fetchone()
    assert row == {"reason": f"spend_cap_{cap}", "resets_at": datetime.fromisoformat(resets_at)}


def test_a_question_waits_neither_for_who_adds_up_nor_for_who_edits_the_settings(
    people: People, database_url: str
) -> None:
    chat = people.make_chat()
    with psycopg.connect(database_url) as busy:
        busy.execute("select from private.spend for update")
        busy.execute("update public.chat_settings set paused = true")
        assert ask(people, chat).status_code == 201
        # And who adds up does not wait for another who does.
        assert measure(people)["refuses"] is None
        busy.rollback()


def test_it_is_added_up_every_few_seconds_however_many_ask(
    people: People, make_holder: Callable[[], Holder], database: Connection
) -> None:
    worker = make_holder()
    measured_at = measure(people)["measured_at"]
    people.ask(people.make_chat())
    (reply,) = worker.claim()
    worker.complete(reply, call={**CALL, "cost_usd": 0.3})

    def age(seconds: float) -> None:
        database.execute("update private.spend set measured_at = now() - make_interval(secs => %s)", [seconds])

    age(2)
    assert measure(people)["usd_today"] == 0
    age(5)
    assert measure(people)["usd_today"] == 0.3
    age(-3600)  # the clock was set back
    assert measure(people)["measured_at"] > measured_at


def test_where_no_worker_measures_the_reconciler_does(
    people: People, make_holder: Callable[[], Holder], database: Connection
) -> None:
    worker = make_holder()
    people.ask(people.make_chat())
    (reply,) = worker.claim()
    worker.complete(reply, call={**CALL, "cost_usd": 0.3})
    worker.reconcile()
    row = database.execute("select usd_of_day from private.spent_by(now())").fetchone()
    assert row is not None
    assert float(row["usd_of_day"]) == 0.3


def test_refusals_are_counted_though_their_transactions_are_undone(people: People, database: Connection) -> None:
    before = measure(people)["refused"]
    chat = people.make_chat()
    change(database, paused=True)
    for _ in range(3):
        assert ask(people, chat).status_code == 429
    change(database, paused=False, spend_cap_usd_per_month=0)
    assert ask(people, chat).status_code == 429
    assert measure(people)["refused"] == {
        **before,
        "paused": before["paused"] + 3,
        "spend_cap_month": before["spend_cap_month"] + 1,
    }


def test_pages_are_told_before_it_hurts(people: People, database: Connection) -> None:
    reader = people.signed_in(people.make_user())

    def told() -> tuple[bool, str | None, bool]:
        [row] = reader.get("/chat_service").json()
        return row["paused"], row["paused_until"], row["answering"]

    assert told() == (False, None, False)
    change(database, paused=True)
    assert told() == (True, None, False)
    change(database, paused=False, spend_cap_usd_per_day=0)
    is_paused, until, _ = told()
    assert is_paused
    assert until is not None
    assert datetime.fromisoformat(until) > datetime.now(UTC)


def test_the_operator_is_told(people: People, database: Connection) -> None:
    change(database, paused=True, spend_cap_usd_per_day=5)
    spend = measure(people)
    assert (spend["paused"], spend["refuses"], spend["cap_usd_per_day"]) == (True, "paused", 5)
    assert spend["cap_usd_per_month"] is None
    service = people.service()
    facts = service.post("/rpc/check_installation", json={"relations": [], "functions": []}).json()
    assert facts["spend"] == service.post("/rpc/ops_report").json()["spend"] == spend
