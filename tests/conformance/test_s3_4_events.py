"""Sections 3.4 and 3.6 of the facts: what a row change looks like, and in which order they come."""

import asyncio
import re
from typing import Any

import psycopg

from tests.support.peer import Peer, on
from tests.support.realtime_fixtures import Connect, Connection, MakeTable


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
    inserted, updated, deleted = [await peer.change() for _ in range(3)]
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
    data = await peer.change()
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


async def test_s3_6_changes_come_in_commit_order_and_none_from_what_was_rolled_back(
    peer: Peer, database: Connection, make_table: MakeTable, database_url: str, topic: str
) -> None:
    one, two = make_table("id int primary key"), make_table("id int primary key")
    await peer.subscribed(topic, on(one), on(two))
    with psycopg.connect(database_url) as slow:
        slow.execute(f"insert into public.{one} values (1)".encode())
        database.execute(f"insert into public.{two} values (2)".encode())
        slow.execute(f"insert into public.{two} values (3)".encode())
        slow.commit()
        slow.execute(f"insert into public.{one} values (4)".encode())
        slow.rollback()
    with database.transaction():
        database.execute(f"insert into public.{one} select generate_series(5, 250)".encode())
    heard = [await peer.change() for _ in range(249)]
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
    assert (await peer.change())["record"] == {"id": 3}
