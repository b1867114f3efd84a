"""No user passes their plan, whichever way they ask; and what is refused says which limit, and until when."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.support import limits
from tests.support.holder import CALL, Holder
from tests.support.people import Chat, People, User
from tests.support.side_by_side import as_user, hurry, reply_of, status_of
from worker.local.stack import Stack
from worker.local.supabase.passwords import SUPERUSER

pytestmark = pytest.mark.usefixtures("quiet")

MakeHolder = Callable[[], Holder]

HELD = 40_192  # tokens, of an unfinished reply
ASK = "insert into public.chat_messages (session_id, content) values (%s, 'Why?')"


@pytest.fixture
def chat(people: People, database: Any) -> Chat:
    """Its user was last counted in a later minute, hour and day: none of them ends while a test runs."""
    chat = people.make_chat()
    database.execute(
        """insert into private.usage_asked values (
          %s, now() + interval '1 day', now() + interval '1 day', current_date + 2, 0, 0, 0, 0, 0)""",
        [chat.user.id],
    )
    return chat


@pytest.fixture
def owner(people: People, chat: Chat) -> httpx.Client:
    return people.signed_in(chat.user)


def ask(client: httpx.Client, chat: Chat, **columns: object) -> httpx.Response:
    return client.post("/chat_messages", json={"session_id": str(chat.session), "content": "Why?", **columns})


def usage(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """Limit → what chat_usage says of it."""
    answer = client.post("/rpc/chat_usage", json={}).raise_for_status().json()
    return {each["limit"]: each for each in answer["limits"]}


def refusal(response: httpx.Response) -> dict[str, Any]:
    """What a refusal says of its limit. All other things it says are those of every refusal."""
    body = response.json()
    assert (response.status_code, body["code"], body["hint"]) == (429, "quota_exceeded", "quota_exceeded"), body
    details: dict[str, Any] = json.loads(body["details"])
    assert set(details) == {"limit", "most", "used", "resets_at"}
    assert body["message"].startswith(f"Your plan allows {details['most']} ")
    if details["resets_at"] is None:
        assert "retry-after" not in response.headers
    else:
        left = (datetime.fromisoformat(details["resets_at"]) - datetime.now(UTC)).total_seconds()
        assert left <= int(response.headers["retry-after"]) < left + 600  # it was said a moment ago
    return details


def ends_with_its_period(resets_at: str, limit: str) -> bool:
    """Of UTC; the one that is passing, or that has passed since it was said."""
    at = datetime.fromisoformat(resets_at)
    return any(at == period_end(limit, datetime.now(UTC) - ago) for ago in (timedelta(0), timedelta(minutes=1)))


def period_end(limit: str, now: datetime) -> datetime:
    if limit == "questions_per_minute":
        return now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    if limit == "questions_per_hour":
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


# Questions and calls.


@pytest.mark.parametrize(
    "limit", ["questions_per_minute", "questions_per_hour", "questions_per_day", "calls_per_day"]
)
def test_a_question_over_a_limit_of_time_is_refused_and_nothing_is_changed(
    database: Any, chat: Chat, owner: httpx.Client, limit: str
) -> None:
    limits.put_on(database, chat.user, **{limit: 2})
    assert [ask(owner, chat).status_code for _ in range(2)] == [201, 201]
    before = database.execute("select last_turn, updated_at from public.chat_sessions").fetchone()

    said = refusal(ask(owner, chat))
    assert (said["limit"], said["most"], said["used"]) == (limit, 2, 2)
    assert ends_with_its_period(said["resets_at"], limit)
    assert database.execute("select last_turn, updated_at from public.chat_sessions").fetchone() == before
    assert len(database.execute("select from public.chat_replies").fetchall()) == 2
    assert usage(owner)[limit]["used"] == 2


@pytest.mark.parametrize(
    "limit", ["questions_per_minute", "questions_per_hour", "questions_per_day", "calls_per_day"]
)
def test_a_limit_of_time_is_over_with_its_time(database: Any, chat: Chat, owner: httpx.Client, limit: str) -> None:
    limits.put_on(database, chat.user, **{limit: 1})
    assert ask(owner, chat).status_code == 201
    database.execute(
        """update private.usage_asked set minute = date_trunc('minute', now()) - interval '1 min',
        hour = date_trunc('hour', now(), 'UTC') - interval '1 hour', day = (now() at time zone 'UTC')::date - 1"""
    )
    assert usage(owner)[limit]["used"] == 0
    assert ask(owner, chat).status_code == 201


def failed(people: People, database: Any, chat: Chat, worker: Holder) -> UUID:
    question = people.ask(chat)
    (claimed,) = worker.claim()
    worker.fail(claimed)
    return question


def answered(people: People, database: Any, chat: Chat, worker: Holder) -> UUID:
    question = people.ask(chat)
    (claimed,) = worker.claim()
    worker.complete(claimed)
    return question


DOORS = pytest.mark.parametrize(
    ("command", "prepare"), [("retry_reply", failed), ("regenerate_reply", answered)], ids=["retry", "regenerate"]
)


@DOORS
@pytest.mark.parametrize("limit", ["questions_per_minute", "questions_per_hour", "calls_per_day"])
def test_retries_and_further_versions_are_limited_like_questions(
    people: People,
    database: Any,
    chat: Chat,
    owner: httpx.Client,
    make_holder: MakeHolder,
    command: str,
    prepare: Callable[..., UUID],
    limit: str,
) -> None:
    limits.put_on(database, chat.user, **{limit: 1})
    worker = make_holder()
    question = prepare(people, database, chat, worker)
    body = {"message_id": str(question)}
    assert owner.post(f"/rpc/{command}", json=body).status_code == 200
    (claimed,) = worker.claim()
    if command == "retry_reply":
        worker.fail(claimed)
    else:
        worker.complete(claimed)
    before = reply_of(database, question)

    assert refusal(owner.post(f"/rpc/{command}", json=body))["limit"] == limit
    assert refusal(ask(owner, chat))["limit"] == limit
    assert reply_of(database, question) == before


@DOORS
def test_a_retry_is_no_further_question_of_the_day(
    people: People,
    database: Any,
    chat: Chat,
    owner: httpx.Client,
    make_holder: MakeHolder,
    command: str,
    prepare: Callable[..., UUID],
) -> None:
    limits.put_on(database, chat.user, questions_per_day=1)
    question = prepare(people, database, chat, make_holder())
    assert ask(owner, people.make_chat(chat.user)).status_code == 201
    assert owner.post(f"/rpc/{command}", json={"message_id": str(question)}).status_code == 200
    assert refusal(ask(owner, chat))["limit"] == "questions_per_day"


def test_a_command_that_its_state_forbids_counts_nothing(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    limits.put_on(database, chat.user, calls_per_day=1)
    question = people.ask(chat)
    for command in ("retry_reply", "regenerate_reply"):
        assert owner.post(f"/rpc/{command}", json={"message_id": str(question)}).status_code == 409
    assert ask(owner, chat, content=" ").status_code == 400
    assert usage(owner)["calls_per_day"]["used"] == 0


@pytest.mark.parametrize("prefer", ["return=representation", "resolution=ignore-duplicates,return=representation"])
def test_a_question_that_was_accepted_can_be_sent_again_at_the_limit(
    database: Any, chat: Chat, owner: httpx.Client, prefer: str
) -> None:
    limits.put_on(database, chat.user, questions_per_hour=1, waiting_at_once=1, tokens_per_day=HELD)
    sent = {"id": str(uuid4()), "session_id": str(chat.session), "content": "Why?"}
    assert owner.post("/chat_messages", json=sent).status_code == 201
    again = owner.post("/chat_messages", json=sent, headers={"prefer": prefer})
    if "ignore" in prefer:
        assert again.status_code in (200, 201)
        assert again.json() == []
    else:
        assert (again.status_code, again.json()["code"]) == (409, "23505")
    assert usage(owner)["questions_per_hour"]["used"] == 1
    assert len(database.execute("select from public.chat_messages").fetchall()) == 1


def test_several_questions_of_one_insert_are_counted_each(database: Any, chat: Chat, owner: httpx.Client) -> None:
    limits.put_on(database, chat.user, questions_per_hour=3)
    row = {"session_id": str(chat.session), "content": "Why?"}
    assert refusal(owner.post("/chat_messages", json=[row] * 4))["limit"] == "questions_per_hour"
    assert database.execute("select from public.chat_messages").fetchall() == []
    assert owner.post("/chat_messages", json=[row] * 3).status_code == 201


def test_the_service_and_the_dashboard_are_neither_limited_nor_counted(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    limits.put_on(database, chat.user, questions_per_hour=0, calls_per_day=0, waiting_at_once=0, tokens_per_day=0)
    question = people.ask(chat)
    assert ask(people.service(), chat).status_code == 201
    worker = make_holder()
    (claimed,) = worker.claim()
    worker.fail(claimed)
    database.execute("update public.chat_replies set status = 'pending' where message_id = %s", [question])
    assert status_of(database, question) == "pending"
    assert ask(owner, chat).status_code == 429
    assert usage(owner)["questions_per_hour"]["used"] == 0


def test_a_stranger_learns_nothing_of_a_plan_and_counts_nothing_of_it(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    limits.put_on(database, chat.user, questions_per_hour=0, active_chats=0)
    stranger = people.signed_in(people.make_user())
    assert ask(stranger, chat).status_code == 403
    _, analysis = people.make_analysis(chat.user)
    opened = {"post_analysis_id": str(analysis), "user_id": str(chat.user.id)}
    assert stranger.post("/chat_sessions", json=opened).status_code == 403
    assert stranger.get("/user_plans").json() == []


def test_two_questions_at_once_do_not_slip_past_a_limit(
    database: Any, people: People, chat: Chat, database_url: str
) -> None:
    """One is left, and each of the two would fit. The second waits for the first one's lock, and is refused."""
    limits.put_on(database, chat.user, questions_per_hour=1)
    other = people.make_chat(chat.user)
    with as_user(database_url, chat.user) as first, ThreadPoolExecutor(1) as thread:
        first.execute(ASK, [chat.session])
        second = thread.submit(asked_by_itself, database_url, other)
        first.commit()
        assert second.result(20) in ("PGRST", "PT429")  # over the limit, or busy
    assert len(database.execute("select from public.chat_messages").fetchall()) == 1


def asked_by_itself(database_url: str, chat: Chat) -> str | None:
    with as_user(database_url, chat.user) as connection:
        try:
            connection.execute(ASK, [chat.session])
        except psycopg.Error as error:
            return error.sqlstate
        connection.commit()
        return None


def test_a_hundred_inserts_at_once_are_twenty_at_a_limit_of_twenty(database: Any, people: People, chat: Chat) -> None:
    """By ten clients that send again what was refused as busy, until each of a hundred questions has its answer."""
    limits.put_on(database, chat.user, questions_per_day=20)
    chats = [people.make_chat(chat.user) for _ in range(10)]
    clients = [people.signed_in(chat.user) for _ in chats]

    def send(place: int) -> list[httpx.Response]:
        return [until_not_busy(clients[place], chats[place]) for _ in range(10)]

    with ThreadPoolExecutor(len(chats)) as threads:
        answers = [answer for each in threads.map(send, range(len(chats))) for answer in each]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert (len(answers), len(refused)) == (100, 80)
    for answer in refused:
        said = refusal(answer)
        assert (said["limit"], said["most"], said["used"]) == ("questions_per_day", 20, 20)
        assert ends_with_its_period(said["resets_at"], "questions_per_day")
    stored = database.execute("select count(*) from public.chat_messages where user_id = %s", [chat.user.id])
    assert stored.fetchone()["count"] == 20


def until_not_busy(client: httpx.Client, chat: Chat) -> httpx.Response:
    while True:
        answer = ask(client, chat)
        if answer.status_code != 429 or answer.json()["hint"] != "busy":
            return answer


# Waiting, versions, length.


def test_unfinished_replies_are_limited_and_one_that_ends_makes_room(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    limits.put_on(database, chat.user, waiting_at_once=2)
    row = {"session_id": str(chat.session), "content": "Why?"}
    assert refusal(owner.post("/chat_messages", json=[row] * 3))["limit"] == "waiting_at_once"
    first = ask(owner, chat).json()[0]["id"]
    assert ask(owner, chat).status_code == 201
    said = refusal(ask(owner, chat))
    assert said == {"limit": "waiting_at_once", "most": 2, "used": 2, "resets_at": None}
    owner.post("/rpc/cancel_reply", json={"message_id": first}).raise_for_status()
    assert ask(owner, chat).status_code == 201


def test_the_plan_bounds_the_versions_of_an_answer(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    limits.put_on(database, chat.user, versions_per_answer=2)
    worker = make_holder()
    question = answered(people, database, chat, worker)
    body = {"message_id": str(question)}
    assert owner.post("/rpc/regenerate_reply", json=body).status_code == 200
    (claimed,) = worker.claim()
    worker.complete(claimed)
    said = refusal(owner.post("/rpc/regenerate_reply", json=body))
    assert said == {"limit": "versions_per_answer", "most": 2, "used": 2, "resets_at": None}


def test_the_plan_bounds_the_length_of_a_question(database: Any, chat: Chat, owner: httpx.Client) -> None:
    limits.put_on(database, chat.user, longest_message=10)
    said = refusal(ask(owner, chat, content="ü" * 11))
    assert said == {"limit": "longest_message", "most": 10, "used": 11, "resets_at": None}
    assert ask(owner, chat, content="ü" * 10).status_code == 201
    assert ask(owner, chat, content="a" * 4001).json()["code"] == "23514"


# Tokens.


def tokens(client: httpx.Client) -> tuple[int, int]:
    """Used and held, today."""
    today = usage(client)["tokens_per_day"]
    return today["used"], today["held"]


def test_what_unfinished_replies_may_cost_is_held(database: Any, chat: Chat, owner: httpx.Client) -> None:
    limits.put_on(database, chat.user, tokens_per_day=2 * HELD + 10)
    assert ask(owner, chat).status_code == 201
    assert ask(owner, chat).status_code == 201
    said = refusal(ask(owner, chat))
    assert (said["limit"], said["most"], said["used"]) == ("tokens_per_day", 2 * HELD + 10, 2 * HELD)
    assert ends_with_its_period(said["resets_at"], "tokens_per_day")
    assert usage(owner)["tokens_per_day"]["left"] == 10


UNTOLD = {"model_requested": "gemini-test"}
ESTIMATED = {**UNTOLD, "cost_usd": 0.001, "cost_is_estimated": True}
UNBILLED = {**UNTOLD, "cost_usd": 0}
BROKEN_OFF = {**ESTIMATED, "tokens_debited": 900, "first_token_ms": 5}
OUT_OF_ORDER = {**ESTIMATED, "tokens_debited": 0}
IN_VAIN = {**ESTIMATED, "tokens_debited": 900}


@pytest.mark.parametrize(
    ("close", "spent"),
    [
        (lambda worker, reply: worker.complete(reply), 125),
        (lambda worker, reply: worker.complete(reply, finish_reason="cancelled"), 125),
        (lambda worker, reply: worker.fail(reply, "timed_out"), 125),
        (lambda worker, reply: worker.fail(reply, "timed_out", call=UNTOLD), HELD),
        (lambda worker, reply: worker.fail(reply, "timed_out", call=ESTIMATED), HELD),
        (lambda worker, reply: worker.fail(reply, "model_overloaded", call=UNTOLD), 0),
        (lambda worker, reply: worker.fail(reply, "model_overloaded", call=UNBILLED), 0),
        (lambda worker, reply: worker.fail(reply, "internal", call={}), 0),
        (lambda worker, reply: worker.fail(reply, "truncated", call=BROKEN_OFF), 900),
        (lambda worker, reply: worker.fail(reply, "truncated", call=OUT_OF_ORDER), 0),
        (lambda worker, reply: worker.complete(reply, finish_reason="cancelled", call=BROKEN_OFF), 900),
    ],
    ids=[
        *("ok", "cancelled", "failed", "unknown", "estimated", "refused", "unbilled", "no call"),
        *("broken off", "out of order", "stopped"),
    ],
)
def test_what_a_call_has_used_is_spent_when_it_closes_and_what_was_held_is_free(
    people: People,
    database: Any,
    chat: Chat,
    owner: httpx.Client,
    make_holder: MakeHolder,
    close: Callable[[Holder, dict[str, Any]], object],
    spent: int,
) -> None:
    limits.put_on(database, chat.user, tokens_per_day=1_000_000)
    people.ask(chat)
    worker = make_holder()
    (claimed,) = worker.claim()
    assert tokens(owner) == (0, HELD)
    close(worker, claimed)
    assert tokens(owner) == (spent, 0)
    database.execute("select private.count_up()")
    assert tokens(owner) == (spent, 0)


def test_a_lost_call_is_spent_as_held_until_its_worker_tells_what_it_used(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    limits.put_on(database, chat.user, tokens_per_day=1_000_000)
    people.ask(chat)
    dead, living = make_holder(), make_holder()
    (lost,) = dead.claim()
    dead.beat({**lost, "model": "gemini-test"})
    database.execute("update private.workers set alive_until = now() where id = %s", [dead.id])
    (again,) = living.claim()
    assert tokens(owner) == (HELD, HELD)
    dead.complete(lost)
    assert tokens(owner) == (125, HELD)
    living.complete(again)
    assert tokens(owner) == (250, 0)
    database.execute("select private.count_up()")
    assert tokens(owner) == (250, 0)


def calls_of(worker: Holder, claimed: dict[str, Any], ends: list[tuple[str, dict[str, Any]]]) -> None:
    """Calls of one claim that each end like this; after the last, the reply has failed."""
    for code, call in ends[:-1]:
        attempt = worker.next_attempt(claimed, code, call=call)
        claimed = {**claimed, "attempt": attempt}
    worker.fail(claimed, *ends[-1][:1], call=ends[-1][1])


@pytest.mark.parametrize(
    ("call", "spent"),
    [(OUT_OF_ORDER, 0), (IN_VAIN, 900), (UNTOLD, HELD), (BROKEN_OFF, 3 * 900)],
    ids=["out of order", "in vain", "untold", "broken off"],
)
def test_an_outage_does_not_use_up_a_day(
    people: People,
    database: Any,
    chat: Chat,
    owner: httpx.Client,
    make_holder: MakeHolder,
    call: dict[str, Any],
    spent: int,
) -> None:
    """Of calls of which nothing was seen, one is debited for each time that an answer was asked for."""
    limits.put_on(database, chat.user, tokens_per_day=1_000_000)
    question, worker = people.ask(chat), make_holder()
    for asked in (1, 2):
        (claimed,) = worker.claim()
        calls_of(worker, claimed, [("timed_out", call)] * 3)
        assert tokens(owner) == (asked * spent, 0)
        database.execute("select private.count_up()")
        assert tokens(owner) == (asked * spent, 0)
        owner.post("/rpc/retry_reply", json={"message_id": str(question)}).raise_for_status()


def test_workers_that_die_of_a_question_are_one_call_to_its_user(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    limits.put_on(database, chat.user, tokens_per_day=1_000_000)
    people.ask(chat)
    lost = []
    for _ in range(2):
        worker = make_holder()
        (claimed,) = worker.claim()
        lost.append((worker, claimed))
        worker.beat({**claimed, "model": "gemini-test"})
        database.execute("update private.workers set alive_until = now() where id = %s", [worker.id])
    worker = make_holder()
    (claimed,) = worker.claim()
    assert tokens(owner) == (HELD, HELD)
    database.execute("update public.chat_settings set tokens_held_per_reply = 1000")
    try:
        for dead, reply in lost:  # they were only slow
            dead.complete(reply)
    finally:
        database.execute("update public.chat_settings set tokens_held_per_reply = %s", [HELD])
    worker.complete(claimed)
    assert tokens(owner) == (3 * 125, 0)


def test_tokens_are_spent_of_the_day_of_asking(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder
) -> None:
    """A question from before midnight, and its answer from behind it: neither held nor spent today."""
    limits.put_on(database, chat.user, tokens_per_day=HELD)
    question = people.ask(chat)
    database.execute(
        "update public.chat_replies set pending_since = now() - interval '1 day' where message_id = %s", [question]
    )
    worker = make_holder()
    (claimed,) = worker.claim()
    assert tokens(owner) == (0, 0)
    worker.complete(claimed)
    assert tokens(owner) == (0, 0)
    database.execute("select private.count_up()")
    assert tokens(owner) == (0, 0)
    spent = database.execute(
        "select day - (now() at time zone 'UTC')::date as day, tokens from private.usage_spent where user_id = %s",
        [chat.user.id],
    )
    assert spent.fetchall() == [{"day": -1, "tokens": 125}]
    assert ask(owner, chat).status_code == 201


def test_what_was_spent_is_forgotten_after_days_that_no_zone_counts(database: Any) -> None:
    database.execute("truncate private.usage_spent")
    database.execute(
        """insert into private.usage_spent select (now() at time zone 'UTC')::date - n, gen_random_uuid(), 1
        from generate_series(-1, 9) as n"""
    )
    database.execute("select private.count_up()")
    left = database.execute("select count(*) from private.usage_spent").fetchone()
    assert left["count"] == 5


def test_nothing_that_a_user_holds_makes_a_worker_wait(
    people: People, database: Any, chat: Chat, database_url: str, make_holder: MakeHolder
) -> None:
    """An insert, a stop that closes a call: neither has a row that a settle of the same user's would write."""
    limits.put_on(database, chat.user, questions_per_day=10, tokens_per_day=1_000_000)
    other, third = people.make_chat(chat.user), people.make_chat(chat.user)
    stopped, settled = people.ask(chat), people.ask(other)
    worker = make_holder()
    held = {reply["message_id"]: reply for reply in worker.claim()}
    hurry(worker)
    with as_user(database_url, chat.user) as asking, as_user(database_url, chat.user) as stopping:
        asking.execute(ASK, [third.session])
        asking.commit()
        asking.execute(ASK, [third.session])
        assert worker.complete(held[str(settled)]) is True
        asking.rollback()
        database.execute("update private.workers set alive_until = now() where id = %s", [worker.id])
        stopping.execute("select public.cancel_reply(%s)", [stopped])
        database.execute(
            "update private.workers set alive_until = now() + interval '1 min' where id = %s", [worker.id]
        )
        assert [reply["session_id"] for reply in worker.claim()] == [str(third.session)]
        database.execute("select private.count_up()")


# Days.


@pytest.mark.parametrize(
    ("zone", "at", "ends_at"),
    [
        ("UTC", "2026-11-27T23:59:59Z", "2026-11-28T00:00:00Z"),
        # 23 hours, 25 hours, and the days after them.
        ("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"),
        ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"),
        ("America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        ("America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        ("Pacific/Kiritimati", "2026-11-27T09:59:59Z", "2026-11-27T10:00:00Z"),
        ("Asia/Kathmandu", "2026-11-27T18:15:00Z", "2026-11-28T18:15:00Z"),
    ],
)
def test_a_day_ends_at_midnight_of_its_zone_however_long_it_was(
    database: Any, zone: str, at: str, ends_at: str
) -> None:
    row = database.execute("select private.end_of_day(%s, %s::timestamptz) as it", [zone, at]).fetchone()
    assert row["it"] == datetime.fromisoformat(ends_at)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "Europe/Berlin"])
def test_days_are_those_of_the_user(
    people: People, database: Any, chat: Chat, owner: httpx.Client, make_holder: MakeHolder, zone: str
) -> None:
    limits.put_on(database, chat.user, questions_per_day=1, tokens_per_day=1_000_000)
    limits.live_in(database, chat.user, zone)
    assert ask(owner, chat).status_code == 201
    said = refusal(ask(owner, chat))
    row = database.execute("select (now() at time zone %s)::date as today", [zone]).fetchone()
    ends = database.execute("select %s::timestamptz at time zone %s as at", [said["resets_at"], zone]).fetchone()
    assert ends["at"] == datetime.combine(row["today"] + timedelta(days=1), datetime.min.time())
    worker = make_holder()
    (claimed,) = worker.claim()
    assert tokens(owner) == (0, HELD)
    worker.complete(claimed, call=CALL)
    assert tokens(owner) == (125, 0)


@pytest.mark.parametrize("zone", ["Europe/Berlim", "CEST", "UTC+3", "", "localtime2"])
def test_what_is_no_name_of_a_time_zone_is_refused_with_a_sentence(database: Any, people: People, zone: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="is no name of a time zone"):
        limits.live_in(database, people.make_user(), zone)


# Plans.


def plan_of(database: Any, user: User) -> str:
    return str(database.execute("select name from private.plan_of(%s)", [user.id]).fetchone()["name"])


@pytest.mark.parametrize(
    ("since", "until", "holds"),
    [("-1 hour", None, True), ("-1 hour", "1 hour", True), ("-2 hours", "-1 hour", False), ("1 hour", None, False)],
)
def test_a_plan_holds_while_it_holds_and_else_the_default_one_does(
    database: Any, people: People, since: str, until: str | None, holds: bool
) -> None:
    user = people.make_user()
    assert plan_of(database, user) == limits.WITHOUT_LIMITS
    database.execute(
        """insert into public.user_plans (user_id, plan, since, until)
        values (%s, 'pro', now() + %s::interval, now() + %s::interval)""",
        [user.id, since, until],
    )
    assert plan_of(database, user) == ("pro" if holds else limits.WITHOUT_LIMITS)


def test_a_new_project_has_the_free_plan_and_an_operator_takes_its_limits_off(
    database: Any, chat: Chat, owner: httpx.Client
) -> None:
    row = database.execute(
        "select column_default from information_schema.columns where (table_name, column_name)"
        " = ('chat_settings', 'default_plan')"
    ).fetchone()
    assert row["column_default"].startswith("'free'")
    free = database.execute("select * from public.plans where name = 'free'").fetchone()
    assert (free["questions_per_hour"], free["questions_per_day"], free["tokens_per_day"]) == (60, 300, 2_000_000)
    name = limits.put_on(database, chat.user, questions_per_hour=0)
    assert refusal(ask(owner, chat))["limit"] == "questions_per_hour"
    database.execute("update public.plans set questions_per_hour = null where name = %s", [name])
    assert ask(owner, chat).status_code == 201


@pytest.mark.parametrize(
    "limit",
    [
        *({"questions_per_minute": -1}, {"questions_per_hour": -1}, {"questions_per_day": -1}, {"calls_per_day": -1}),
        *({"tokens_per_day": -1}, {"active_chats": -1}, {"chat_changes_per_minute": -1}, {"waiting_at_once": -1}),
        *({"replies_at_once": 0}, {"versions_per_answer": 21}, {"longest_message": 4001}),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(database: Any, people: People, limit: dict[str, int]) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        limits.put_on(database, people.make_user(), **limit)


def test_the_settings_cannot_be_deleted(database: Any) -> None:
    """Without them there would be no default plan, no cap and no pause: nothing would limit anybody."""
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        database.execute("delete from public.chat_settings")


def test_usage_says_what_is_left_of_each_limit(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    name = limits.put_on(database, chat.user, questions_per_day=3, tokens_per_day=HELD + 1, active_chats=5)
    assert ask(owner, chat).status_code == 201
    answer = owner.post("/rpc/chat_usage", json={}).json()
    assert answer["plan"] == name
    said = {each["limit"]: each for each in answer["limits"]}
    assert set(said) == {
        *("questions_per_minute", "questions_per_hour", "questions_per_day", "calls_per_day", "tokens_per_day"),
        *("waiting_at_once", "active_chats", "chat_changes_per_minute"),
    }
    figures = {each: [said[each][name] for name in ("most", "used", "held", "left")] for each in said}
    assert figures == {
        "questions_per_minute": [None, 1, 0, None],
        "questions_per_hour": [None, 1, 0, None],
        "questions_per_day": [3, 1, 0, 2],
        "calls_per_day": [None, 1, 0, None],
        "tokens_per_day": [HELD + 1, 0, HELD, 1],
        "waiting_at_once": [None, 1, 0, None],
        "active_chats": [5, 1, 0, 4],
        "chat_changes_per_minute": [None, 0, 0, None],
    }
    assert ends_with_its_period(said["questions_per_day"]["resets_at"], "questions_per_day")
    assert said["waiting_at_once"]["resets_at"] is None


# Chats.


def open_chat(client: httpx.Client, analysis: UUID) -> httpx.Response:
    return client.post("/rpc/open_chat_session", json={"post_analysis_id": str(analysis)})


def set_status(client: httpx.Client, status: str, **where: str) -> httpx.Response:
    return client.patch("/chat_sessions", params={"id": "not.is.null", **where}, json={"status": status})


def test_active_chats_are_limited_whichever_way_one_is_opened(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    limits.put_on(database, chat.user, active_chats=2)
    analyses = [people.make_analysis(chat.user)[1] for _ in range(2)]
    assert open_chat(owner, analyses[0]).status_code == 200
    said = refusal(open_chat(owner, analyses[1]))
    assert said == {"limit": "active_chats", "most": 2, "used": 2, "resets_at": None}
    inserted = {"post_analysis_id": str(analyses[1]), "user_id": str(chat.user.id)}
    assert refusal(owner.post("/chat_sessions", json=inserted))["limit"] == "active_chats"
    # What is open can be read at the limit, too.
    assert open_chat(owner, analyses[0]).status_code == 200
    assert set_status(owner, "archived", id=f"eq.{chat.session}").status_code == 200
    assert open_chat(owner, analyses[1]).status_code == 200
    assert refusal(set_status(owner, "active", id=f"eq.{chat.session}"))["limit"] == "active_chats"


def test_one_statement_over_all_chats_of_a_user_is_refused_whole(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    limits.put_on(database, chat.user, chat_changes_per_minute=5)
    for _ in range(5):
        people.make_chat(chat.user)
    assert refusal(set_status(owner, "archived"))["limit"] == "chat_changes_per_minute"
    said = refusal(owner.delete("/chat_sessions", params={"id": "not.is.null"}))
    assert said["limit"] == "chat_changes_per_minute"
    assert ends_with_its_period(said["resets_at"], "questions_per_minute")
    found = database.execute("select status, count(*) from public.chat_sessions group by 1").fetchall()
    assert found == [{"status": "active", "count": 6}]


def test_openings_changes_and_deletions_of_chats_are_counted_together(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    limits.put_on(database, chat.user, chat_changes_per_minute=4)
    _, analysis = people.make_analysis(chat.user)
    this = {"id": f"eq.{chat.session}"}
    assert open_chat(owner, analysis).status_code == 200
    assert open_chat(owner, analysis).status_code == 200  # there already: nothing changes
    assert set_status(owner, "archived", **this).status_code == 200
    assert set_status(owner, "archived", **this).status_code == 200  # as it was
    assert set_status(owner, "active", **this).status_code == 200
    assert owner.delete("/chat_sessions", params={"post_analysis_id": f"eq.{analysis}"}).status_code == 200
    assert refusal(set_status(owner, "archived", **this))["limit"] == "chat_changes_per_minute"
    database.execute("delete from public.chat_sessions where id = %s", [chat.session])


def test_a_user_who_opens_and_archives_at_once_is_told_busy_and_waits_in_no_ring(
    people: People, database: Any, chat: Chat, database_url: str
) -> None:
    """A status is changed with the chat locked first and the user second; a question locks the user first."""
    with as_user(database_url, chat.user) as asking, as_user(database_url, chat.user) as archiving:
        other = people.make_chat(chat.user)
        asking.execute(ASK, [other.session])
        with pytest.raises(psycopg.Error) as refused:
            archiving.execute("update public.chat_sessions set status = 'archived' where id = %s", [chat.session])
        assert (refused.value.sqlstate, refused.value.diag.message_hint) == ("PT429", "busy")


@pytest.fixture
def leave(stack: Stack) -> Iterator[str]:
    """A function of the project's own, as many have it, by which users delete their account."""
    with psycopg.connect(stack.postgres.url(SUPERUSER), autocommit=True) as operator:
        operator.execute(
            """create function public.leave() returns void language sql security definer set search_path = ''
            begin atomic delete from auth.users u where u.id = auth.uid(); end"""
        )
        operator.execute("grant execute on function public.leave() to authenticated")
        try:
            yield "select public.leave()"
        finally:
            operator.execute("drop function public.leave()")


def test_whoever_deletes_their_account_is_not_stopped_by_the_limit_of_chats(
    people: People, database: Any, chat: Chat, owner: httpx.Client, database_url: str, leave: str
) -> None:
    limits.put_on(database, chat.user, chat_changes_per_minute=1)
    people.make_chat(chat.user)
    assert ask(owner, chat).status_code == 201
    with as_user(database_url, chat.user) as leaving:
        leaving.execute(leave)
        leaving.commit()
    for table in ("public.chat_sessions", "private.usage_asked", "private.reply_queue"):
        found = database.execute(f"select from {table} where user_id = %s", [chat.user.id]).fetchall()
        assert found == []


def test_at_the_limit_nobody_learns_whether_somebody_else_has_opened_a_chat(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    limits.put_on(database, chat.user, chat_changes_per_minute=0)
    opened = people.make_chat()
    _, unopened = people.make_analysis(opened.user)
    said = [
        owner.post("/chat_sessions", json={"post_analysis_id": str(analysis), "user_id": str(chat.user.id)}).json()
        for analysis in (opened.analysis, unopened, uuid4())
    ]
    assert [each["code"] for each in said] == ["quota_exceeded"] * 3
