"""Who hears and who speaks on which channel: once in a bare project, once where the host allows everything.

Each role tries each channel through the real client, all at the same time, since a refusal takes Realtime seconds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psycopg
import pytest
from realtime.types import BroadcastPayload

from tests.support.channel_roles import PRIVATE, Role
from tests.support.database import Connection, one_row
from tests.support.holder import MakeHolder
from tests.support.people import Chat, People
from tests.support.waiting import until
from worker.local.stack import Stack
from worker.local.supabase.passwords import SUPERUSER

ROLES = ("anon", "owner", "other user", "member", "service")
# Topic → who can join it as a private channel, and who can send to it.
BARE = {
    "chat:<session>": {"receive": {"owner", "service"}, "send": {"service"}},
    "chat:worker": {"receive": {"service"}, "send": {"service"}},
    "chat:lobby": {"receive": {"service"}, "send": {"service"}},
}
CARELESS = {
    **BARE,
    "chat:lobby": {"receive": set(ROLES), "send": set(ROLES)},  # theirs, and none of our business
}


@pytest.fixture
def member(stack: Stack) -> Iterator[None]:
    """A role that the project has beside Supabase's own, and gives the same rights on channels."""
    with psycopg.connect(stack.postgres.url(SUPERUSER), autocommit=True) as connection:
        connection.execute("create role member")
        connection.execute("grant member to authenticator, realtime_login, postgres")
        connection.execute("grant usage on schema realtime, public to member")
        connection.execute("grant select, insert, update on realtime.messages to member")
        yield
        connection.execute("drop owned by member")
        connection.execute("drop role member")


@pytest.fixture
def careless_host(database: psycopg.Connection[Any]) -> Iterator[None]:
    """A project of the many that allow everybody everything on realtime.messages."""
    database.execute("create policy careless on realtime.messages using (true) with check (true)")
    yield
    database.execute("drop policy careless on realtime.messages")


@pytest.fixture
async def roles(stack: Stack, people: People, chat: Chat, member: None) -> AsyncIterator[dict[str, Role]]:
    publishable = stack.environment["SUPABASE_PUBLISHABLE_KEY"]
    made = {
        "anon": Role(stack, publishable),
        "owner": Role(stack, publishable, chat.user),
        "other user": Role(stack, publishable, people.make_user()),
        "member": Role(stack, publishable, people.make_user("member")),
        "service": Role(stack, stack.environment["SUPABASE_SECRET_KEY"]),
    }
    for role in made.values():
        await role.connect()
    yield made
    for role in made.values():
        await role.client.close()


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


async def who_can_join(stack: Stack, roles: dict[str, Role], topic: str) -> set[str]:
    allowed = await asyncio.gather(*(role.can_join(topic) for role in roles.values()))
    return {name for name, may in zip(roles, allowed, strict=True) if may}


async def who_is_heard(roles: dict[str, Role], topic: str) -> set[str]:
    """By the service, which may listen everywhere. It speaks last: what comes before it has come, or never will."""
    heard: list[str] = []
    channel = roles["service"].client.channel(topic, PRIVATE)
    channel.on_broadcast("word", lambda got: heard.append(got["payload"]["word"]))
    await channel.subscribe()
    for name, role in roles.items():
        await role.send(topic, name)
    await until(lambda: heard.count("service") == 2, "the service's own words")
    await roles["service"].client.remove_channel(channel)
    return set(heard)


async def test_only_owners_hear_and_only_the_service_speaks(stack: Stack, roles: dict[str, Role], chat: Chat) -> None:
    assert await matrix(stack, roles, chat) == BARE


async def test_a_careless_host_opens_none_of_our_channels(
    careless_host: None, stack: Stack, roles: dict[str, Role], chat: Chat
) -> None:
    assert await matrix(stack, roles, chat) == CARELESS


OURS = ("chat:worker", "chat:<session>", "CHAT:<session>")


@pytest.mark.parametrize("role", ["anon", "authenticated", "member"])
@pytest.mark.parametrize("topic", OURS)
def test_no_role_reads_writes_or_changes_what_is_said_in_channels_of_ours(
    careless_host: None, member: None, database: Connection, people: People, chat: Chat, role: str, topic: str
) -> None:
    """Nor turns what it may change, in a channel of the host's own, into what was said in one of ours."""
    topic, stranger = topic.replace("<session>", str(chat.session)), people.make_user()
    for name in (topic, "chat:lobby"):
        database.execute("insert into realtime.messages (topic, extension) values (%s, 'broadcast')", [name])
    with database.transaction(force_rollback=True):
        database.execute(f"set local role {role}")
        database.execute("select set_config('request.jwt.claim.sub', %s, true)", [str(stranger.id)])
        assert database.execute("select from realtime.messages where topic = %s", [topic]).rowcount == 0
        assert database.execute("select from realtime.messages where topic = 'chat:lobby'").rowcount > 0
        assert database.execute("update realtime.messages set payload = '{}' where topic = %s", [topic]).rowcount == 0
        for forge in (
            "insert into realtime.messages (topic, extension) values (%s, 'broadcast')",
            "update realtime.messages set topic = %s where topic = 'chat:lobby'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction():
                database.execute(forge, [topic])


async def matrix(stack: Stack, roles: dict[str, Role], chat: Chat) -> dict[str, dict[str, set[str]]]:
    found = {}
    for topic in BARE:
        real = topic.replace("<session>", str(chat.session))
        found[topic] = {"receive": await who_can_join(stack, roles, real), "send": await who_is_heard(roles, real)}
    return found


async def test_a_browser_cannot_speak_over_its_socket_in_its_own_chat(roles: dict[str, Role], chat: Chat) -> None:
    topic, heard = f"chat:{chat.session}", []
    listening = roles["service"].client.channel(topic, PRIVATE)
    listening.on_broadcast("word", lambda got: heard.append(got["payload"]["word"]))
    await listening.subscribe()
    owner = roles["owner"].client.channel(topic, PRIVATE)
    await owner.subscribe()
    await owner.send_broadcast("word", {"word": "forged"})
    await roles["service"].send(topic, "genuine")
    await until(lambda: heard.count("genuine") == 2, "the service's words")
    assert "forged" not in heard


async def test_events_of_a_plain_insert_arrive_over_the_channel(
    people: People, roles: dict[str, Role], chat: Chat
) -> None:
    """The definer triggers work for a user who may not speak there: realtime.send only warns when it fails."""
    heard: list[str] = []
    channel = roles["owner"].client.channel(f"chat:{chat.session}", PRIVATE)
    for event in ("message", "reply"):
        channel.on_broadcast(event, lambda got: heard.append(got["event"]))
    await channel.subscribe()
    row = {"session_id": str(chat.session), "role": "user", "content": "Why?"}
    assert people.signed_in(chat.user).post("/chat_messages", json=row).status_code == 201
    await until(lambda: sorted(heard) == ["message", "reply"], "both events")


async def test_archiving_reopening_and_deleting_a_chat_tell_its_owner_and_nobody_else(
    people: People, roles: dict[str, Role], chat: Chat
) -> None:
    heard: dict[str, list[tuple[str, Any]]] = {"owner": [], "other user": []}
    others = people.make_chat(roles["other user"].user)

    def take(role: str, topic: str) -> Callable[[BroadcastPayload], None]:
        return lambda got: heard[role].append((topic, got["payload"]["record"]))

    for role, session in (("owner", chat.session), ("other user", others.session)):
        channel = roles[role].client.channel(f"chat:{session}", PRIVATE)
        channel.on_broadcast("session", take(role, str(session)))
        await channel.subscribe()
    foreign = roles["other user"].client.channel(f"chat:{chat.session}", PRIVATE)
    foreign.on_broadcast("session", take("other user", str(chat.session)))
    await foreign.subscribe(lambda *_: None)

    for status in ("archived", "active"):
        set_status(people, chat, status)
    people.signed_in(chat.user).delete("/chat_sessions", params={"id": f"eq.{chat.session}"}).raise_for_status()
    set_status(people, others, "archived")  # it comes last: what comes before it has come, or never will

    await until(lambda: heard["other user"], "the other user's own event")
    assert [record and (record["id"], record["status"]) for _, record in heard["owner"]] == [
        (str(chat.session), "archived"),
        (str(chat.session), "active"),
        None,
    ]
    assert [(topic, record["status"]) for topic, record in heard["other user"]] == [(str(others.session), "archived")]


async def test_the_session_event_holds_the_row_as_the_api_gives_it(
    people: People, roles: dict[str, Role], chat: Chat
) -> None:
    heard: list[dict[str, Any]] = []
    channel = roles["owner"].client.channel(f"chat:{chat.session}", PRIVATE)
    channel.on_broadcast("session", lambda got: heard.append(got["payload"]["record"]))
    await channel.subscribe()
    row = set_status(people, chat, "archived")
    set_status(people, chat, "archived")  # no change, no event
    set_status(people, chat, "active")
    await until(lambda: len(heard) == 2, "both events")
    assert heard[0] == row
    assert [record["status"] for record in heard] == ["archived", "active"]


def set_status(people: People, chat: Chat, status: str) -> dict[str, Any]:
    """By its owner, over the API: the row then."""
    where = {"id": f"eq.{chat.session}"}
    response = people.signed_in(chat.user).patch("/chat_sessions", params=where, json={"status": status})
    response.raise_for_status()
    [row] = response.json()
    return row


async def test_the_wake_up_is_sent_when_a_reply_becomes_due_and_holds_no_content(
    people: People, roles: dict[str, Role], chat: Chat
) -> None:
    heard: list[dict[str, Any]] = []
    channel = roles["service"].client.channel("chat:worker", PRIVATE)
    channel.on_broadcast("wake_up", lambda got: heard.append(got["payload"]))
    await channel.subscribe()
    people.ask(chat, "A secret question")
    await until(lambda: heard, "the wake-up")
    assert all(set(payload) <= {"id"} for payload in heard)


def wake_ups(database: Connection) -> int:
    found = one_row(database.execute("select count(*) from realtime.messages where topic = 'chat:worker'"))
    return int(found["count"])


def test_one_wake_up_a_statement_whenever_something_becomes_due(
    quiet: None, people: People, database: Connection, make_holder: MakeHolder
) -> None:
    chats, worker = [people.make_chat() for _ in range(3)], make_holder()
    before = wake_ups(database)
    database.execute(
        "insert into public.chat_messages (session_id, content) select %s, 'Why?' from generate_series(1, 5)",
        [chats[0].session],
    )
    assert wake_ups(database) - before == 1, "the other four wait behind the first"
    for chat in chats[1:]:
        people.ask(chat)
    assert wake_ups(database) - before == 3

    put_off, given_back, held = worker.claim()
    assert wake_ups(database) - before == 3, "what is claimed is not due"
    worker.give_back(put_off, due_in=60)
    assert wake_ups(database) - before == 3, "nor what is put off: next_due_in_ms says when"
    worker.give_back(given_back)
    assert wake_ups(database) - before == 4
    worker.beat(held)
    worker.save_draft(held, "So far")
    assert wake_ups(database) - before == 4
    worker.release()
    assert wake_ups(database) - before == 5
