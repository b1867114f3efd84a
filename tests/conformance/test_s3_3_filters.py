"""Section 3.3 of the facts: filters."""

import pytest

from tests.support.peer import Peer, on
from tests.support.realtime_fixtures import Connection, MakeTable

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
        ("code=in.(x1,y2)", {1, 2}),
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
    while (data := await peer.change())["type"] != "DELETE":
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
    heard = [await peer.change() for _ in range(3)]
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
