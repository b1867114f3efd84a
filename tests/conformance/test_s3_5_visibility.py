"""Section 3.5 of the facts: who may see a row change, and how much of it."""

from typing import Any

import pytest

from tests.support.peer import Peer, on
from tests.support.realtime_fixtures import Connect, Connection, MakeTable, MakeToken
from tests.support.waiting import until


async def test_s3_5_without_a_primary_key_everybody_gets_an_error_and_no_data(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int, secret text")
    await peer.subscribed(topic, on(table))
    database.execute(f"insert into public.{table} values (1, 'x')".encode())
    assert await peer.change() == {
        "schema": "public",
        "table": table,
        "type": "INSERT",
        "commit_timestamp": None,
        "columns": [],
        "record": {},
        "errors": ["Error 400: Bad Request, no primary key"],
    }


async def test_s3_5_a_role_that_may_not_select_the_key_gets_an_error_and_no_data(
    connect: Connect, peer: Peer, database: Connection, make_table: MakeTable, make_token: MakeToken, topic: str
) -> None:
    table = make_table("id int primary key, open text")
    database.execute(f"revoke select on public.{table} from anon".encode())
    database.execute(f"grant select (open) on public.{table} to anon".encode())
    other = await connect()
    await peer.subscribed(topic, on(table))
    await other.subscribed(topic, on(table), token=make_token())
    database.execute(f"insert into public.{table} values (1, 'x')".encode())
    denied = await peer.change()
    assert (denied["errors"], denied["record"], denied["columns"]) == (["Error 401: Unauthorized"], {}, [])
    assert (await other.change())["record"] == {"id": 1, "open": "x"}


async def test_s3_5_roles_see_the_columns_that_are_granted_to_them(
    connect: Connect, peer: Peer, database: Connection, make_table: MakeTable, make_token: MakeToken, topic: str
) -> None:
    table = make_table("id int primary key, secret text")
    database.execute(f"revoke select on public.{table} from anon".encode())
    database.execute(f"grant select (id) on public.{table} to anon".encode())
    other = await connect()
    await peer.subscribed(topic, on(table))
    await other.subscribed(topic, on(table), token=make_token())
    database.execute(f"insert into public.{table} values (1, 'x')".encode())
    seen = await peer.change()
    assert (seen["record"], [column["name"] for column in seen["columns"]]) == ({"id": 1}, ["id"])
    assert (await other.change())["record"] == {"id": 1, "secret": "x"}


async def test_s3_5_row_level_security_decides_who_gets_an_insert_or_update(
    connect: Connect, database: Connection, make_table: MakeTable, make_token: MakeToken, secret_key: str, topic: str
) -> None:
    table = make_table("id int primary key, owner text, n int", rls=True)
    database.execute(f"create policy own on public.{table} for select using (owner = auth.jwt() ->> 'who')".encode())
    ann, ben, nobody, service = [await connect() for _ in range(3)] + [await connect(apikey=secret_key)]
    await ann.subscribed(topic, on(table), token=make_token(who="ann"))
    await ben.subscribed(topic, on(table), token=make_token(who="ben"))
    await nobody.subscribed(topic, on(table))
    await service.subscribed(topic, on(table))
    database.execute(f"insert into public.{table} values (1, 'ann'), (2, 'ben')".encode())
    database.execute(f"update public.{table} set n = 1 where id = 1".encode())
    database.execute(f"insert into public.{table} values (9, 'ann'), (10, 'ben')".encode())

    def ids(peer: Peer) -> list[int]:
        return [frame.payload["data"]["record"]["id"] for frame in peer.heard]

    await service.first(lambda frame: frame.payload["data"]["record"]["id"] == 10)
    assert ids(service) == [1, 2, 1, 9]
    for peer in (ann, ben, nobody):
        await peer.settled()
    assert (ids(ann), ids(ben), ids(nobody)) == ([1, 1, 9], [2, 10], [])


async def test_s3_5_policies_see_the_role_and_the_claims_and_nothing_else_of_the_subscriber(
    peer: Peer, database: Connection, make_table: MakeTable, make_token: MakeToken, topic: str
) -> None:
    """A policy that relies on more would hide every row on the real server, too."""
    table = make_table("id int primary key", rls=True)
    database.execute(
        f"""create policy by_claims on public.{table} for select using (
          case id
            when 1 then auth.uid() = '11111111-1111-1111-1111-111111111111'
            when 2 then current_role = 'authenticated'
            when 3 then coalesce(current_setting('request.jwt.claim.sub', true), '') <> ''
            when 4 then coalesce(current_setting('request.headers', true), '') <> ''
            else true
          end)""".encode()
    )
    token = make_token(sub="11111111-1111-1111-1111-111111111111")
    await peer.subscribed(topic, on(table), token=token)
    database.execute(f"insert into public.{table} select generate_series(1, 5)".encode())
    assert [(await peer.change())["record"]["id"] for _ in range(3)] == [1, 2, 5]


async def test_s3_5_the_check_is_against_the_table_as_it_is_now(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key, open bool", rls=True)
    database.execute(f"create policy open on public.{table} for select using (open)".encode())
    await peer.subscribed(topic, on(table))
    with database.transaction():
        database.execute(f"insert into public.{table} values (1, true), (2, true), (3, false)".encode())
        database.execute(f"delete from public.{table} where id = 1".encode())
        database.execute(f"update public.{table} set open = not open where id > 1".encode())
    heard = [await peer.change() for _ in range(3)]
    assert [(data["type"], (data.get("record") or data["old_record"])["id"]) for data in heard] == [
        ("INSERT", 3),  # not visible when it was inserted, but now
        ("DELETE", 1),
        ("UPDATE", 3),
    ]
    assert await peer.settled() == []


@pytest.mark.parametrize(("rls", "old"), [(True, {"id": 1}), (False, {"id": 1, "name": "a"})])
async def test_s3_5_a_delete_reaches_everybody_with_the_key_alone_if_there_are_policies(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str, rls: bool, old: dict[str, Any]
) -> None:
    table = make_table("id int primary key, name text", rls=rls)
    database.execute(f"alter table public.{table} replica identity full".encode())
    await peer.subscribed(topic, on(table))
    database.execute(f"insert into public.{table} values (1, 'a')".encode())
    database.execute(f"delete from public.{table}".encode())
    deleted = await peer.first(lambda frame: frame.payload.get("data", {}).get("type") == "DELETE")
    assert deleted.payload["data"]["old_record"] == old
    assert len(await peer.settled()) == (0 if rls else 1)  # nobody may see the insert under policies


@pytest.mark.parametrize(("identity", "old"), [("default", {"id": 1}), ("full", {"id": 1, "name": "a"})])
async def test_s3_5_the_old_record_is_what_the_replica_identity_holds(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str, identity: str, old: dict[str, Any]
) -> None:
    table = make_table("id int primary key, name text")
    database.execute(f"alter table public.{table} replica identity {identity}".encode())
    await peer.subscribed(topic, on(table, "UPDATE"))
    database.execute(f"insert into public.{table} values (1, 'a')".encode())
    database.execute(f"update public.{table} set name = 'b'".encode())
    data = await peer.change()
    assert (data["record"], data["old_record"]) == ({"id": 1, "name": "b"}, old)


@pytest.mark.parametrize("identity", ["default", "full"])
async def test_s3_5_a_large_value_that_did_not_change_comes_from_the_old_row_or_is_missing(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str, identity: str
) -> None:
    table = make_table("id int primary key, n int, large text")
    database.execute(f"alter table public.{table} alter large set storage external".encode())
    database.execute(f"alter table public.{table} replica identity {identity}".encode())
    await peer.subscribed(topic, on(table, "UPDATE"))
    database.execute(f"insert into public.{table} values (1, 1, repeat('x', 9000))".encode())
    database.execute(f"update public.{table} set n = 2".encode())
    data = await peer.change()
    assert ("large" in data["record"]) == (identity == "full")
    assert data["record"]["n"] == 2


async def test_s3_5_a_change_over_a_mebibyte_keeps_its_short_values(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key, short text, long text, large text")
    await peer.subscribed(topic, on(table))
    long, short = "y" * 65, "é" * 31  # with its quotes, 64 bytes
    for id_, size in ((1, 1_000_000), (2, 1_048_576)):
        database.execute(
            f"insert into public.{table} values (%s, %s, %s, repeat('x', %s))".encode(), [id_, short, long, size]
        )
    whole, cut = await peer.change(), await peer.change()
    assert (whole["errors"], len(whole["record"]["large"])) == (None, 1_000_000)
    assert cut["errors"] == ["Error 413: Payload Too Large"]
    assert cut["record"] == {"id": 2, "short": short}


async def test_s3_5_truncate_and_ddl_produce_nothing(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key")
    await peer.subscribed(topic, on(table))
    database.execute(f"insert into public.{table} values (1)".encode())
    database.execute(f"truncate public.{table}".encode())
    database.execute(f"alter table public.{table} add column n int default 5".encode())
    database.execute(f"insert into public.{table} values (2)".encode())
    assert [(await peer.change())["record"] for _ in range(2)] == [{"id": 1}, {"id": 2, "n": 5}]


@pytest.mark.parametrize("cause", ["policy", "filter"])
async def test_s3_5_one_subscriber_who_fails_makes_everybody_lose_the_batch(
    connect: Connect,
    peer: Peer,
    database: Connection,
    make_table: MakeTable,
    make_token: MakeToken,
    topic: str,
    cause: str,
) -> None:
    """2.129.8, realtime.apply_rls raises: issues #2093 (a policy) and #2098 (a filter)."""
    broken, other = make_table("id int primary key, data json", rls=True), make_table("id int primary key")
    database.execute(f"create policy own on public.{broken} for select using (auth.uid() is not null)".encode())
    fence = make_table("id int generated always as identity primary key")
    victim, guilty = await connect(), await connect()
    await guilty.subscribed(f"{topic}-fence", on(fence), token=make_token())
    await victim.subscribed(topic, on(other), token=make_token())
    await peer.subscribed(topic, on(broken), token=make_token())

    def insert(number: int) -> None:
        with database.transaction():
            database.execute(f"insert into public.{broken} values ({number})".encode())
            database.execute(f"insert into public.{other} values ({number})".encode())

    if cause == "policy":
        await guilty.subscribed(topic, on(broken), token=make_token(sub="no uuid"))
    else:
        await guilty.subscribed(topic, on(broken, filter="data=eq.1"), token=make_token())
    insert(1)

    def has_another_batch() -> bool:
        database.execute(f"insert into public.{fence} default values".encode())
        return any(frame.topic == f"{topic}-fence" for frame in guilty.heard)

    await until(has_another_batch, "a batch after that one")
    assert (await guilty.ask(topic, "phx_leave", {}))["status"] == "ok"
    insert(2)
    for socket in (victim, peer):
        assert (await socket.change())["record"]["id"] == 2
