"""What plain postgres_changes tell of everybody's chats, to whom; and that they can be switched off."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from tests.support.database import Connection
from tests.support.peer import Peer, on, socket_url
from tests.support.people import Chat, People
from tests.support.waiting import until
from worker.check import broadcasts, expected
from worker.local.stack import ROOT, Stack

SNIPPET = (ROOT / "supabase/snippets/no_row_changes.sql").read_text()
TABLES = ("chat_messages", "chat_replies")


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.fixture
async def peers(stack: Stack, people: People, chat: Chat) -> AsyncIterator[dict[str, Peer]]:
    """Subscribed to all changes of our two tables, without a filter."""
    base, key = (stack.environment[name] for name in ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY"))
    tokens = {"owner": chat.user.token, "stranger": people.make_user().token, "nobody": None}
    async with AsyncExitStack() as sockets:
        made = {}
        for name, token in tokens.items():
            made[name] = await sockets.enter_async_context(Peer(socket_url(base, apikey=key, vsn="2.0.0")))
            await made[name].subscribed("realtime:rows", *map(on, TABLES), token=token)
        yield made


def changes(peer: Peer) -> list[dict[str, Any]]:
    return [frame.payload["data"] for frame in peer.heard if frame.event == "postgres_changes"]


def kinds(peer: Peer) -> set[tuple[str, str]]:
    return {(change["table"], change["type"]) for change in changes(peer)}


def all_deleted(peer: Peer) -> bool:
    return {(table, "DELETE") for table in TABLES} <= kinds(peer)


async def test_what_is_told_of_a_question_and_of_its_deletion(
    people: People, database: Connection, peers: dict[str, Peer], chat: Chat
) -> None:
    """To its owner the rows, to others who are signed in the keys of deleted ones, to all others that it was."""
    question = str(people.ask(chat, "A secret question"))
    await until(lambda: {(table, "INSERT") for table in TABLES} <= kinds(peers["owner"]), "the owner's rows")
    database.execute("delete from public.chat_sessions where id = %s", [chat.session])
    for name, peer in peers.items():
        await until(partial(all_deleted, peer), f"the end, for {name}")

    owner, stranger, nobody = (changes(peers[name]) for name in ("owner", "stranger", "nobody"))
    assert "A secret question" in [change.get("record", {}).get("content") for change in owner]
    assert {change["type"] for change in stranger} == {"DELETE"}
    assert [change["old_record"] for change in stranger if change["table"] == "chat_messages"] == [{"id": question}]
    assert [change["old_record"] for change in stranger if change["table"] == "chat_replies"] == [
        {"message_id": question}
    ]
    assert {change["type"] for change in nobody} == {"INSERT", "DELETE"}
    for change in nobody:
        assert not change.get("record")
        assert not change.get("old_record")
    assert not any("secret" in str(change) for change in [*stranger, *nobody])


def test_the_snippet_takes_out_our_tables_and_the_check_says_no_more_than_that(
    database: Connection, people: People
) -> None:
    def published() -> set[str]:
        rows = database.execute("select tablename from pg_publication_tables where pubname = 'supabase_realtime'")
        return {row["tablename"] for row in rows}

    database.execute("create table public.notes (id integer primary key)")
    database.execute("alter publication supabase_realtime add table public.notes")
    try:
        database.execute(SNIPPET.encode())
        assert published() == {"notes"}
        names = {"relations": list(expected.RELATIONS), "functions": []}
        facts = people.service().post("/rpc/check_installation", json=names).json()
        assert [finding.level for finding in broadcasts.judge(facts)] == ["warning"]
    finally:
        database.execute("drop table public.notes")
        if not published():
            database.execute(SNIPPET.replace(" drop table ", " add table ").encode())
    assert published() == set(TABLES)
