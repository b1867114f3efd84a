"""Section 3 of the facts: which row changes arrive, in which form, and for whom."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.conformance.conftest import Connect, Connection
from tests.conformance.peer import Peer
from worker.local.stack import Stack

MakeTable = Callable[..., str]
MakeToken = Callable[..., str]


def on(table: str, event: str = "*", **more: Any) -> dict[str, Any]:
    return {"event": event, "schema": "public", "table": table, **more}


async def change(peer: Peer) -> dict[str, Any]:
    """The data of the next row change."""
    data: dict[str, Any] = (await peer.next("postgres_changes")).payload["data"]
    return data


async def error(peer: Peer, topic: str, *bindings: dict[str, Any], token: str | None = None) -> str:
    """The system message about bindings that cannot be subscribed; the channel stays."""
    await peer.joined(topic, {"postgres_changes": list(bindings)}, token)
    said = (await peer.next("system", topic)).payload
    assert (said["extension"], said["status"]) == ("postgres_changes", "error")
    assert (await peer.ask(topic, "phx_leave", {}))["status"] == "ok"
    await peer.next("phx_close", topic)
    return str(said["message"])


# 3.1 and 3.2: subscribing


async def test_s3_1_wildcards_mean_the_tables_that_are_published(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    one, two = make_table("id int primary key"), make_table("id int primary key")
    await peer.subscribed(topic, {"event": "INSERT", "schema": "public"})
    database.execute(f"insert into public.{one} values (1)".encode())
    database.execute(f"insert into public.{two} values (2)".encode())
    assert [(await change(peer))["table"] for _ in range(2)] == [one, two]


async def test_s3_1_a_table_that_is_published_later_is_noticed(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    make_table("id int primary key")
    await peer.subscribed(topic, {"event": "*", "schema": "*", "table": "*"})
    later = make_table("id int primary key")
    said = await peer.next("system", topic)
    assert said.payload["message"] == "Subscribed to PostgreSQL"
    database.execute(f"insert into public.{later} values (1)".encode())
    assert (await change(peer))["table"] == later


async def test_s3_1_a_table_that_is_published_no_more_sends_nothing(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    gone, stays = make_table("id int primary key"), make_table("id int primary key")
    await peer.subscribed(topic, {"event": "*", "schema": "public"})
    database.execute(f"alter publication supabase_realtime drop table public.{gone}".encode())
    await peer.next("system", topic)
    database.execute(f"insert into public.{gone} values (1)".encode())
    database.execute(f"insert into public.{stays} values (1)".encode())
    assert (await change(peer))["table"] == stays


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ({"filter": "id=foo.hey"}, 'Error parsing `filter` params: ["foo", "hey"]'),
        ({"filter": "id=in.1,2"}, "Error parsing `filter` params: `in` filter value must be wrapped by parentheses"),
        (
            {"filter": "id=eq.1,,"},
            "Error parsing `filter` params: filter must not contain empty segments (check for extra commas)",
        ),
        (
            {"select": "id"},
            'Error parsing `select` params: expected a list of column name strings, e.g. select: ["col1", "col2"]',
        ),
    ],
)
async def test_s3_2_a_binding_that_does_not_parse_is_an_error_and_the_channel_stays(
    peer: Peer, make_table: MakeTable, topic: str, binding: dict[str, Any], message: str
) -> None:
    assert await error(peer, topic, on(make_table("id int primary key"), **binding)) == message


async def test_s3_2_columns_cannot_be_selected_from_any_table(peer: Peer, topic: str) -> None:
    message = await error(peer, topic, {"event": "*", "schema": "public", "select": ["id"]})
    assert message == (
        "Column selection is not supported for wildcard subscriptions. Provide an explicit schema and table name."
    )


async def test_s3_2_a_binding_needs_a_schema_or_a_table(peer: Peer, topic: str) -> None:
    message = await error(peer, topic, {"event": "*"})
    assert message.startswith(
        "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: "
    )


async def test_s3_2_a_table_that_is_not_published_is_an_error(peer: Peer, make_table: MakeTable, topic: str) -> None:
    table = make_table("id int primary key", published=False)
    assert await error(peer, topic, on(table, "INSERT")) == (
        "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given"
        f" connect parameters: [event: INSERT, schema: public, table: {table}, filters: [], select: nil]"
    )


COLUMNS = "id int primary key, name text, secret text, done bool, data json"


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ({"filter": "xyz=eq.1"}, "invalid column for filter xyz"),
        ({"filter": "secret=eq.1"}, "invalid column for filter secret"),  # no right to select it
        ({"filter": f"id=in.({','.join(map(str, range(101)))})"}, "too many values for `in` filter. Maximum 100"),
        ({"filter": "done=is.maybe"}, "invalid value for is filter: must be null, true, false, or unknown"),
        ({"filter": "name=is.true"}, "is true filter requires a boolean column, got text"),
        ({"filter": "id=like.1%"}, "operator like requires a text-compatible column type, got integer"),
        ({"filter": "id=match.^1"}, "operator match requires a text-compatible column type, got integer"),
        ({"filter": "name=match.("}, "invalid regular expression for match filter: "),
        ({"filter": "id=eq.one"}, 'invalid input syntax for type integer: "one"'),
        ({"filter": "data=eq.1"}, "operator eq is not supported on column data of type json: "),
        ({"select": ["id", "secret"]}, "invalid column for select secret"),
    ],
)
async def test_s3_2_what_the_database_refuses_is_told(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str, binding: dict[str, Any], message: str
) -> None:
    table = make_table(COLUMNS)
    database.execute(f"revoke select on public.{table} from anon".encode())
    database.execute(f"grant select (id, name, done, data) on public.{table} to anon".encode())
    said = await error(peer, topic, on(table, **binding))
    assert "An exception happened so please check your connect parameters: [event: *, schema: public" in said
    assert f" Exception: ERROR {'22P02' if 'syntax' in message else 'P0001'} (" in said
    assert message in said


async def test_s3_2_one_bad_binding_takes_the_others_of_its_channel_along(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key")
    await peer.joined(topic, {"postgres_changes": [on(table), on(table, filter="id=eq.one")]})
    await peer.next("system", topic)
    await peer.subscribed(f"{topic}-fence", on(table))
    database.execute(f"insert into public.{table} values (1)".encode())
    await peer.next("postgres_changes", f"{topic}-fence")
    assert await peer.settled() == []


# 3.3: filters

FRUIT = "id int primary key, name text, done bool, price numeric, code varchar(9)"
ROWS = """(1, 'apple', true, 1.5, 'x1'), (2, 'Apple pie', false, 10, 'y2'), (3, 'pear, ripe', null, 2.25, null),
          (4, null, null, null, 'x"4')"""


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("", {1, 2, 3, 4}),
        ("   ", {1, 2, 3, 4}),
        ("id=eq.2", {2}),
        ("id=neq.2", {1, 3, 4}),
        ("name=neq.apple", {2, 3}),
        ("id=lt.2", {1}),
        ("id=lte.2", {1, 2}),
        ("price=gt.2", {2, 3}),
        ("price=gte.2.25", {2, 3}),
        ("id=in.(1, 3)", {1, 3}),
        ('name=in.("pear, ripe",apple)', {1, 3}),
        ("id=in.()", set()),
        ("name=like.Apple%", {2}),
        ("code=like.x%", {1, 4}),
        ("name=ilike.apple%", {1, 2}),
        ("done=is.null", {3, 4}),
        ("done=is.true", {1}),
        ("done=is.unknown", {3, 4}),
        ("name=match.^[ap]", {1, 3}),
        ("name=imatch.^APP", {1, 2}),
        ("name=isdistinct.apple", {2, 3, 4}),
        ("id=not.eq.2", {1, 3, 4}),
        ("name=not.eq.apple", {2, 3}),  # null is neither
        ("id=not.in.(1,2)", {3, 4}),
        ("done=not.is.null", {1, 2}),
        ("name=not.ilike.apple%", {3}),
        ("name=not.isdistinct.apple", {1}),
        ('name=eq."pear, ripe"', {3}),
        ('code=eq."x\\"4"', {4}),
        ("id=gt.1,id=lt.4", {2, 3}),
        ('id=gt.1,name=eq."pear, ripe",price=lt.3', {3}),
    ],
)
async def test_s3_3_a_filter_lets_these_rows_pass(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str, condition: str, ids: set[int]
) -> None:
    table = make_table(FRUIT)
    await peer.subscribed(topic, on(table, filter=condition), on(table, "DELETE"))
    database.execute(f"insert into public.{table} values {ROWS}".encode())
    database.execute(f"delete from public.{table} where id = 4".encode())
    heard = set()
    while (data := await change(peer))["type"] != "DELETE":
        heard.add(data["record"]["id"])
    assert heard == ids


async def test_s3_3_an_update_is_judged_by_its_new_row_and_a_delete_by_its_identity(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key, name text")
    await peer.subscribed(topic, on(table, filter="name=eq.a"), on(table, "DELETE", filter="id=eq.3"))
    database.execute(f"insert into public.{table} values (1, 'a'), (2, 'b'), (3, 'c')".encode())
    database.execute(f"update public.{table} set name = 'c' where id = 1".encode())  # moves out: not delivered
    database.execute(f"update public.{table} set name = 'a' where id = 2".encode())  # moves in
    database.execute(f"delete from public.{table}".encode())  # a name is not part of what is left
    heard = [await change(peer) for _ in range(3)]
    assert [(data["type"], data["old_record"] if data["type"] == "DELETE" else data["record"]) for data in heard] == [
        ("INSERT", {"id": 1, "name": "a"}),
        ("UPDATE", {"id": 2, "name": "a"}),
        ("DELETE", {"id": 3}),
    ]


@pytest.mark.parametrize(("event", "types"), [("insert", ["INSERT"]), ("whatever", ["INSERT", "UPDATE", "DELETE"])])
async def test_s3_3_events_are_upper_cased_and_unknown_ones_mean_all(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str, event: str, types: list[str]
) -> None:
    table = make_table("id int primary key, n int")
    await peer.subscribed(topic, on(table, event))
    await peer.subscribed(f"{topic}-fence", on(table, "DELETE"))
    database.execute(f"insert into public.{table} values (1)".encode())
    database.execute(f"update public.{table} set n = 2".encode())
    database.execute(f"delete from public.{table}".encode())
    await peer.next("postgres_changes", f"{topic}-fence")
    await peer.settled()
    assert [frame.payload["data"]["type"] for frame in peer.heard] == types


# 3.4: the event


async def test_s3_4_one_frame_for_each_channel_lists_all_its_bindings(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key")
    ids = await peer.subscribed(topic, on(table), on(table, "INSERT"), on(table, filter="id=eq.2"))
    database.execute(f"insert into public.{table} values (1)".encode())
    frame = await peer.next("postgres_changes")
    assert (frame.ref, frame.join_ref) == (None, None)
    assert sorted(frame.payload["ids"]) == sorted(ids[:2])
    assert await peer.settled() == []


async def test_s3_4_an_event_has_these_members(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id bigint primary key, text text")
    await peer.subscribed(topic, on(table))
    database.execute(f"insert into public.{table} values (46, 'content')".encode())
    database.execute(f"update public.{table} set text = 'new'".encode())
    database.execute(f"delete from public.{table}".encode())
    inserted, updated, deleted = [await change(peer) for _ in range(3)]
    stamp = inserted.pop("commit_timestamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert inserted == {
        "schema": "public",
        "table": table,
        "type": "INSERT",
        "columns": [{"name": "id", "type": "int8"}, {"name": "text", "type": "text"}],
        "record": {"id": 46, "text": "content"},
        "errors": None,
    }
    assert (updated["record"], updated["old_record"]) == ({"id": 46, "text": "new"}, {"id": 46})
    assert deleted["old_record"] == {"id": 46}
    assert "record" not in deleted


TYPES: list[tuple[str, str, str, Any]] = [
    ("smallint", "int2", "1", 1),
    ("bigint", "int8", "9007199254740993", 9007199254740993),
    ("numeric", "numeric", "1.50", 1.5),
    ("float8", "float8", "'NaN'", "NaN"),
    ("boolean", "bool", "true", True),
    ("text", "text", "'é \"x\"'", 'é "x"'),
    ("char(3)", "bpchar", "'ab'", "ab "),
    ("uuid", "uuid", "'11111111-1111-1111-1111-111111111111'", "11111111-1111-1111-1111-111111111111"),
    ("timestamptz", "timestamptz", "'2026-01-02 03:04:05.6+02'", "2026-01-02T01:04:05.6+00:00"),
    ("timestamp", "timestamp", "'2026-01-02 03:04:05'", "2026-01-02T03:04:05"),
    ("date", "date", "'2026-01-02'", "2026-01-02"),
    ("time", "time", "'03:04'", "03:04:00"),
    ("interval", "interval", "'1 day'", "1 day"),
    ("jsonb", "jsonb", "'{\"a\": [1, null]}'", {"a": [1, None]}),
    ("json", "json", "'{\"a\": 1}'", {"a": 1}),
    ("bytea", "bytea", "'\\x0102030405'", "0102030405"),
    ("text[]", "_text", "array['a,b', null]", ["a,b", None]),
    ("int[]", "_int4", "'{{1,2},{3,4}}'", [[1, 2], [3, 4]]),
    ("int4range", "int4range", "'[1,3)'", "[1,3)"),
    ("inet", "inet", "'10.0.0.1'", "10.0.0.1"),
    ("point", "point", "'(1,2)'", "(1,2)"),
    ("tsvector", "tsvector", "'a b'", "'a' 'b'"),
    ("vector_of_two", "vector_of_two", "'(1,x)'", {"n": 1, "t": "x"}),
    ("mood", "mood", "'sad'", "sad"),
    ("positive", "positive", "7", 7),
    ("text", "text", "null", None),
]


async def test_s3_4_values_of_all_types(peer: Peer, database: Connection, make_table: MakeTable, topic: str) -> None:
    database.execute(
        b"""create type public.mood as enum ('sad', 'glad');
        create type public.vector_of_two as (n int, t text);
        create domain public.positive as int check (value > 0)"""
    )
    columns = ", ".join(f'"c {n}" {declared}' for n, (declared, *_) in enumerate(TYPES))
    table = make_table(f"id int primary key, {columns}")
    await peer.subscribed(topic, on(table))
    values = ", ".join(f"{value}::{declared}" for declared, _, value, _ in TYPES)
    database.execute(f"insert into public.{table} values (1, {values})".encode())
    data = await change(peer)
    database.execute(f"drop table public.{table}".encode())
    database.execute(b"drop type public.mood; drop type public.vector_of_two; drop domain public.positive")
    assert [column["type"] for column in data["columns"]] == ["int4", *(name for _, name, *_ in TYPES)]
    del data["record"]["id"]
    assert list(data["record"].values()) == [expected for *_, expected in TYPES]


async def test_s3_4_selected_columns_come_with_the_key_in_a_frame_of_their_own(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key, a int, b int")
    wide, narrow = await peer.subscribed(topic, on(table), on(table, select=["b"]))
    database.execute(f"insert into public.{table} values (1, 2, 3)".encode())
    by_ids = {}
    for _ in range(2):
        payload = (await peer.next("postgres_changes")).payload
        by_ids[tuple(payload["ids"])] = payload["data"]
    assert by_ids[(wide,)]["record"] == {"id": 1, "a": 2, "b": 3}
    assert by_ids[(narrow,)]["record"] == {"id": 1, "b": 3}
    assert [column["name"] for column in by_ids[(narrow,)]["columns"]] == ["id", "b"]


async def test_s3_4_version_1_gets_the_same(
    connect: Connect, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key")
    first = await connect("1.0.0")
    await first.subscribed(topic, on(table))
    database.execute(f"insert into public.{table} values (1)".encode())
    frame = await first.next("postgres_changes")
    assert (frame.topic, frame.ref, frame.payload["data"]["record"]) == (topic, None, {"id": 1})


# 3.5: who may see it


async def test_s3_5_without_a_primary_key_everybody_gets_an_error_and_no_data(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int, secret text")
    await peer.subscribed(topic, on(table))
    database.execute(f"insert into public.{table} values (1, 'x')".encode())
    assert await change(peer) == {
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
    denied = await change(peer)
    assert (denied["errors"], denied["record"], denied["columns"]) == (["Error 401: Unauthorized"], {}, [])
    assert (await change(other))["record"] == {"id": 1, "open": "x"}


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
    seen = await change(peer)
    assert (seen["record"], [column["name"] for column in seen["columns"]]) == ({"id": 1}, ["id"])
    assert (await change(other))["record"] == {"id": 1, "secret": "x"}


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
    heard = [await change(peer) for _ in range(3)]
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
    data = await change(peer)
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
    data = await change(peer)
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
    whole, cut = await change(peer), await change(peer)
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
    assert [(await change(peer))["record"] for _ in range(2)] == [{"id": 1}, {"id": 2, "n": 5}]


async def test_s3_5_a_policy_that_fails_hides_its_row_and_no_other(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key", rls=True)
    database.execute(f"create policy fails on public.{table} for select using (1 / (id - 2) is not null)".encode())
    await peer.subscribed(topic, on(table))
    database.execute(f"insert into public.{table} values (1), (2), (3)".encode())
    assert [(await change(peer))["record"]["id"] for _ in range(2)] == [1, 3]


# 3.6 and 8: order


async def test_s3_6_changes_come_in_commit_order_and_none_from_what_was_rolled_back(
    peer: Peer, database: Connection, make_table: MakeTable, realtime: Stack, topic: str
) -> None:
    one, two = make_table("id int primary key"), make_table("id int primary key")
    await peer.subscribed(topic, on(one), on(two))
    with psycopg.connect(realtime.environment["DATABASE_URL"]) as slow:
        slow.execute(f"insert into public.{one} values (1)".encode())
        database.execute(f"insert into public.{two} values (2)".encode())
        slow.execute(f"insert into public.{two} values (3)".encode())
        slow.commit()
        slow.execute(f"insert into public.{one} values (4)".encode())
        slow.rollback()
    with database.transaction():
        database.execute(f"insert into public.{one} select generate_series(5, 250)".encode())
    heard = [await change(peer) for _ in range(249)]
    assert [data["record"]["id"] for data in heard] == [2, 1, 3, *range(5, 251)]
    assert heard[1]["commit_timestamp"] == heard[2]["commit_timestamp"]
    assert await peer.settled() == []


async def test_s3_6_an_unseen_change_does_not_hold_up_the_next(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key")
    await peer.subscribed(topic, on(table, filter="id=eq.3"))
    for id_ in (1, 2, 3):
        database.execute(f"insert into public.{table} values (%s)".encode(), [id_])
        await asyncio.sleep(0)
    assert (await change(peer))["record"] == {"id": 3}
