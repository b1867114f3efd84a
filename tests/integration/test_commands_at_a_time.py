"""One account that sends many commands at a time: refused at once, and it holds up nobody."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import MakeHolder
from tests.support.people import Chat, People
from tests.support.side_by_side import as_user, hurry, open_work, status_of
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("quiet")

ASK = "insert into public.chat_messages (session_id, content) values (%(session)s, 'Another')"
COMMANDS = {
    "ask": ASK,
    "replace": "insert into public.chat_messages (session_id, content, replaces) values (%(session)s, 'B', %(q)s)",
    "cancel_reply": "select public.cancel_reply(%(q)s)",
    "retry_reply": "select public.retry_reply(%(q)s)",
    "regenerate_reply": "select public.regenerate_reply(%(q)s)",
    "archive": "update public.chat_sessions set status = 'archived' where id = %(session)s",
    "delete": "delete from public.chat_sessions where id = %(session)s",
    "open_chat_session": "select public.open_chat_session(%(analysis)s)",
}
BY_NAME = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.fixture
def question(people: People, chat: Chat) -> UUID:
    return people.ask(chat)


def arguments(chat: Chat, question: UUID) -> dict[str, UUID]:
    return {"session": chat.session, "analysis": chat.analysis, "q": question}


@pytest.fixture
def three_inside(people: People, chat: Chat, database_url: str) -> Iterator[list[psycopg.Connection[Any]]]:
    """Three commands of one user under way, in chats of their own. None of them has a lock on `chat`.

    What one of them holds of the user's is what the next would wait for, so they are such as take no lock.
    """
    with ExitStack() as commands:
        yield [hold_a_place(commands, database_url, chat) for _ in range(3)]


def hold_a_place(commands: ExitStack, database_url: str, chat: Chat) -> psycopg.Connection[Any]:
    inside = commands.enter_context(as_user(database_url, chat.user))
    inside.execute("delete from public.chat_sessions where false")
    return inside


def refused(connection: psycopg.Connection[Any], command: str, of: dict[str, UUID]) -> tuple[str | None, str | None]:
    try:
        connection.execute(command, of)
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_hint
    return None, None


BUSY = ("PT429", "busy")


@BY_NAME
def test_the_fourth_command_at_a_time_is_refused_at_once(
    chat: Chat, question: UUID, database_url: str, three_inside: list[psycopg.Connection[Any]], command: str
) -> None:
    with as_user(database_url, chat.user) as fourth:
        began = time.monotonic()
        assert refused(fourth, command, arguments(chat, question)) == BUSY
        assert time.monotonic() - began < 1


def test_the_third_command_at_a_time_goes_through(chat: Chat, question: UUID, database_url: str) -> None:
    with ExitStack() as commands:
        for _ in range(2):
            hold_a_place(commands, database_url, chat)
        with as_user(database_url, chat.user) as third:
            third.execute(ASK, arguments(chat, question))


def test_a_place_is_free_again_when_its_command_ends_however_it_ends(
    chat: Chat, question: UUID, database_url: str, three_inside: list[psycopg.Connection[Any]]
) -> None:
    three_inside[0].rollback()
    with as_user(database_url, chat.user) as fourth:
        with pytest.raises(psycopg.Error):
            fourth.execute("select public.retry_reply(%(q)s)", arguments(chat, question))
        fourth.rollback()
        fourth.execute(ASK, arguments(chat, question))
        fourth.commit()
        fourth.execute(ASK, arguments(chat, question))


def test_many_commands_of_one_transaction_take_one_place(
    people: People, chat: Chat, question: UUID, database_url: str
) -> None:
    with as_user(database_url, chat.user) as first, as_user(database_url, chat.user) as second:
        first.execute("delete from public.chat_sessions where false")
        for _ in range(5):
            second.execute(ASK, arguments(chat, question))


def test_the_places_of_one_user_are_not_those_of_another(
    people: People, database_url: str, three_inside: list[psycopg.Connection[Any]]
) -> None:
    other = people.make_chat()
    with as_user(database_url, other.user) as connection:
        connection.execute(ASK, {"session": other.session})


def test_the_service_and_the_dashboard_need_no_place(
    people: People, database: Connection, chat: Chat, three_inside: list[psycopg.Connection[Any]]
) -> None:
    people.ask(chat)
    assert (
        people.service()
        .post("/chat_messages", json={"session_id": str(chat.session), "content": "By the service"})
        .status_code
        == 201
    )


@pytest.mark.parametrize(
    "held",
    [
        "select pg_advisory_xact_lock(hashtext('chat_messages.user_id'), hashtext(%(user)s::text))",
        "select from public.chat_sessions where id = %(session)s for update",
        "select from private.reply_queue where message_id = %(q)s for update",
        "select from public.chat_replies where message_id = %(q)s for update",
    ],
    ids=["user", "session", "queue row", "reply row"],
)
@pytest.mark.parametrize("name", ["ask", "replace", "cancel_reply", "retry_reply", "regenerate_reply"])
def test_a_command_waits_less_than_two_seconds_for_a_lock_and_is_told_that_it_is_busy(
    database: Connection, chat: Chat, question: UUID, database_url: str, make_holder: MakeHolder, held: str, name: str
) -> None:
    """Never 55P03, of which the API makes a 500. What needs no such lock goes through."""
    if name in ("retry_reply", "regenerate_reply"):
        worker = make_holder()
        (claimed,) = worker.claim()
        worker.complete(claimed, finish_reason="stop" if name == "regenerate_reply" else "cancelled", content="A")
        if name == "retry_reply":
            database.execute("delete from public.chat_messages where reply_to = %s", [question])
    with open_work(database_url) as operator, as_user(database_url, chat.user) as user:
        operator.execute(held, {"user": str(chat.user.id), "session": chat.session, "q": question})
        began = time.monotonic()
        assert refused(user, COMMANDS[name], arguments(chat, question)) in (BUSY, (None, None))
        assert time.monotonic() - began < 2


def test_a_user_who_holds_a_lock_for_long_loses_no_reply_of_a_worker(
    people: People, database_url: str, database: Connection, make_holder: MakeHolder
) -> None:
    """Three accounts, each with a stop, an edit or a question that its transaction holds for as long as it likes."""
    worker, chats = make_holder(), [people.make_chat() for _ in range(4)]
    questions = [people.ask(chat) for chat in chats]
    claimed = {reply["message_id"]: reply for reply in worker.claim()}
    hurry(worker)
    with ExitStack() as attack:
        for chat, question, command in zip(chats[:3], questions, ("cancel_reply", "replace", "ask"), strict=False):
            attacker = attack.enter_context(as_user(database_url, chat.user))
            attacker.execute(COMMANDS[command], arguments(chat, question))
        beat = worker.beat(*claimed.values(), known=1)
        assert [reply["held"] for reply in beat["replies"]] == [True] * 4
        assert worker.save_draft(claimed[str(questions[3])], "So far") == 6
        assert worker.complete(claimed[str(questions[3])]) is True
        assert worker.claim() == []
    assert status_of(database, questions[3]) == "completed"


# Through the API.

SLOW = "match.^(a+)(a+)(a+)\\1\\2\\3$"


def body(question: UUID) -> dict[str, str]:
    return {"message_id": str(question)}


@pytest.mark.parametrize("command", ["cancel_reply", "retry_reply", "regenerate_reply"])
def test_nothing_can_be_embedded_in_a_command_and_filtered(
    people: People, database: Connection, chat: Chat, make_holder: MakeHolder, command: str
) -> None:
    """An embedded filter on one's own text can be made to take seconds, with the command's locks held."""
    question = people.ask(chat, "a" * 401)
    worker = make_holder()
    (claimed,) = worker.claim()
    if command == "retry_reply":
        worker.fail(claimed)
    elif command == "regenerate_reply":
        worker.complete(claimed, "a" * 401)
    client = people.signed_in(chat.user)
    for select in ("message_id,m:chat_messages!message_id(id)", "*,m:chat_messages(id)"):
        began = time.monotonic()
        client.post(f"/rpc/{command}", params={"select": select, "m.content": SLOW}, json=body(question))
        assert time.monotonic() - began < 2
        with psycopg.connect(database.info.dsn, password=database.info.password, autocommit=True) as operator:
            operator.execute("set lock_timeout = '100ms'")
            operator.execute("select from public.chat_sessions where id = %s for update", [chat.session])


@pytest.mark.parametrize("command", ["cancel_reply", "retry_reply", "regenerate_reply"])
def test_a_command_answers_json_and_no_row_of_a_table(database: Connection, command: str) -> None:
    row = one_row(
        database.execute(
            "select prorettype::regtype::text as type from pg_proc where oid = %s::regproc", [f"public.{command}"]
        )
    )
    assert row["type"] == "jsonb"


def test_the_fourth_command_at_a_time_is_429_busy_through_the_api(
    people: People, chat: Chat, question: UUID, three_inside: list[psycopg.Connection[Any]]
) -> None:
    client = people.signed_in(chat.user)
    for refused_command in (
        client.post("/rpc/cancel_reply", json=body(question)),
        client.post("/chat_messages", json={"session_id": str(chat.session), "content": "One more"}),
        client.patch(f"/chat_sessions?id=eq.{chat.session}", json={"status": "archived"}),
        client.delete(f"/chat_sessions?id=eq.{chat.session}"),
        client.post("/rpc/open_chat_session", json={"post_analysis_id": str(chat.analysis)}),
    ):
        assert (refused_command.status_code, refused_command.json()["hint"]) == (429, "busy")


def test_a_chat_that_is_locked_is_429_busy_through_the_api(
    people: People, chat: Chat, question: UUID, database_url: str
) -> None:
    client = people.signed_in(chat.user)
    with open_work(database_url) as operator:
        operator.execute("select from public.chat_sessions where id = %s for update", [chat.session])
        for refused_command in (
            client.post("/rpc/cancel_reply", json=body(question)),
            client.post("/chat_messages", json={"session_id": str(chat.session), "content": "One more"}),
        ):
            assert (refused_command.status_code, refused_command.json()["hint"]) == (429, "busy")


def test_sixty_commands_at_a_time_of_one_account_leave_others_and_the_worker_alone(
    people: People, database: Connection, chat: Chat, question: UUID, make_holder: MakeHolder
) -> None:
    worker, other = make_holder(), people.make_chat()
    mine = people.ask(other)
    claimed = {reply["message_id"]: reply for reply in worker.claim()}
    hurry(worker)
    attackers = [people.signed_in(chat.user) for _ in range(20)]
    reader = people.signed_in(other.user)
    until = time.monotonic() + 3
    seen: list[int] = []

    def attack(client: httpx.Client) -> None:
        while time.monotonic() < until:
            sent = client.post("/chat_messages", json={"session_id": str(chat.session), "content": "And now?"})
            seen.append(sent.status_code)
            sent = client.post("/rpc/cancel_reply", json=body(question))
            seen.append(sent.status_code)

    with ThreadPoolExecutor(len(attackers)) as threads:
        running = [threads.submit(attack, client) for client in attackers]
        wait_for(lambda: len(seen) > 20, "the attack to begin")
        while time.monotonic() < until:
            assert worker.beat(*claimed.values(), known=1)["alive"]
            assert reader.get(f"/chat_sessions?id=eq.{other.session}").status_code == 200
        for each in running:
            each.result()
    assert set(seen) <= {200, 201, 409, 429}
    assert worker.complete(claimed[str(mine)]) is True
