"""Questions and calls of a minute, an hour and a day; whichever way they are asked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.support import limits
from tests.support.holder import Holder
from tests.support.people import Chat, People
from tests.support.quotas import HELD, answered, ask, ends_with_its_period, failed, refusal, usage
from tests.support.side_by_side import as_user, reply_of, status_of

pytestmark = pytest.mark.usefixtures("quiet")

MakeHolder = Callable[[], Holder]

ASK = "insert into public.chat_messages (session_id, content) values (%s, 'Why?')"


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
