"""Sections 4.4 and 4.5 of the facts: broadcasts from the database, and the table that they go through."""

import json

import psycopg
import pytest

from tests.support.peer import Peer, name
from tests.support.realtime_fixtures import Connect, Connection, MakeTable, Policy


async def test_s4_4_send_reaches_the_channel_with_an_id(
    connect: Connect, reader: Peer, database: Connection, topic: str
) -> None:
    first = await connect("1.0.0")
    await first.joined(topic, {"private": True})
    database.execute("select realtime.send('{\"n\": 1}', 'e', %s, true)", [name(topic)])
    heard = (await first.next("broadcast")).payload
    meta = heard["meta"]
    assert heard == {"event": "e", "payload": {"n": 1, "id": meta["id"]}, "type": "broadcast", "meta": meta}
    frame = await reader.next("broadcast")
    assert (frame.payload["event"], frame.payload["encoding"]) == ("e", 1)
    assert json.loads(frame.payload["metadata"]) == meta
    assert json.loads(frame.payload["payload"]) == heard["payload"]


async def test_s4_4_an_id_of_the_payloads_own_stays(reader: Peer, database: Connection, topic: str) -> None:
    database.execute("select realtime.send('{\"id\": 7}', 'e', %s)", [name(topic)])  # private unless told
    assert json.loads((await reader.next("broadcast")).payload["payload"]) == {"id": 7}


async def test_s4_4_send_can_be_public(reader: Peer, peer: Peer, database: Connection, topic: str) -> None:
    await peer.joined(topic)
    database.execute("select realtime.send('{}', 'e', %s, false)", [name(topic)])
    await peer.next("broadcast")
    assert await reader.settled() == []


async def test_s4_4_send_binary_reaches_version_2_alone(
    connect: Connect, reader: Peer, database: Connection, topic: str
) -> None:
    first = await connect("1.0.0")
    await first.joined(topic, {"private": True})
    database.execute("select realtime.send_binary('\\x00ff', 'bytes', %s)", [name(topic)])
    heard = (await reader.next("broadcast")).payload
    assert (heard["event"], heard["payload"], heard["encoding"]) == ("bytes", b"\x00\xff", 0)
    assert await first.settled() == []


async def test_s4_4_messages_come_after_their_commit_in_order_and_none_that_was_rolled_back(
    reader: Peer, database: Connection, topic: str
) -> None:
    def send(n: int) -> None:
        database.execute("select realtime.send(jsonb_build_object('id', %s::int), 'e', %s)", [n, name(topic)])

    with database.transaction():
        send(1)
        send(2)
        assert await reader.settled() == []
    with database.transaction(force_rollback=True):
        send(3)
    send(4)
    heard = [json.loads((await reader.next("broadcast")).payload["payload"])["id"] for _ in range(3)]
    assert heard == [1, 2, 4]


async def test_s4_4_any_insert_is_a_broadcast_unless_it_is_incomplete(
    reader: Peer, database: Connection, topic: str
) -> None:
    insert = "insert into realtime.messages (topic, extension, event, private, payload) values (%s, %s, %s, %s, %s)"
    for event, private, payload in (
        (None, True, "{}"),
        ("no privacy", None, "{}"),
        ("no payload", True, None),
        ("e", True, "{}"),
    ):
        database.execute(insert, [name(topic), "broadcast", event, private, payload])
    assert (await reader.next("broadcast")).payload["event"] == "e"
    assert await reader.settled() == []


async def test_s4_4_an_error_in_send_is_a_warning(database: Connection) -> None:
    warnings: list[str] = []
    database.add_notice_handler(lambda notice: warnings.append(str(notice.message_primary)))
    database.execute("select realtime.send('{}', 'e', null)")
    assert [warning.partition(":")[0] for warning in warnings] == ["WarnSendingBroadcastMessage"]


async def test_s4_4_the_callers_own_policies_decide_what_send_may_do(
    reader: Peer, database: Connection, policy: Policy, topic: str
) -> None:
    policy("insert", "realtime.topic() = 'open' and topic = 'open'")
    with database.transaction():
        database.execute("set local role authenticated")
        database.execute("select realtime.send('{}', 'denied', %s)", [name(topic)])
        database.execute("select realtime.send('{}', 'allowed', 'open')")
    stored = database.execute("select event from realtime.messages where event in ('denied', 'allowed')").fetchall()
    assert stored == [("allowed",)]
    assert await reader.settled() == []


async def test_s4_4_broadcast_changes_sends_the_row(
    reader: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    table = make_table("id int primary key", published=False)
    database.execute(
        f"""create function public.tell_{table}() returns trigger language plpgsql as $$ begin
          perform realtime.broadcast_changes(
            '{name(topic)}', tg_op, tg_op, tg_table_name, tg_table_schema, new, old, tg_level);
          return null;
        end $$;
        create trigger tell after insert or update or delete on public.{table}
          for each row execute function public.tell_{table}()""".encode()
    )
    database.execute(f"insert into public.{table} values (1)".encode())
    database.execute(f"update public.{table} set id = 2".encode())
    database.execute(f"delete from public.{table}".encode())
    heard = [json.loads((await reader.next("broadcast")).payload["payload"]) for _ in range(3)]
    assert all(payload.pop("id") for payload in heard)
    assert heard == [
        {"schema": "public", "table": table, "operation": operation, "record": record, "old_record": old}
        for operation, record, old in (
            ("INSERT", {"id": 1}, None),
            ("UPDATE", {"id": 2}, {"id": 1}),
            ("DELETE", None, {"id": 2}),
        )
    ]
    database.execute(f"drop function public.tell_{table} cascade".encode())


@pytest.mark.parametrize(
    ("operation", "level", "message"),
    [
        ("MERGE", "ROW", "Failed to process the row: Unexpected operation type: MERGE"),
        (
            "INSERT",
            "STATEMENT",
            "Failed to process the row: function can only be triggered for each row, not for each statement",
        ),
    ],
)
def test_s4_4_broadcast_changes_refuses_what_it_cannot_send(
    database: Connection, operation: str, level: str, message: str
) -> None:
    with pytest.raises(psycopg.errors.RaiseException) as raised:
        database.execute(
            "select realtime.broadcast_changes('t', 'e', %s, 't', 's', null::record, null::record, %s)",
            [operation, level],
        )
    assert raised.value.diag.message_primary == message


def test_s4_4_topic_is_null_unless_somebody_asks_about_one(database: Connection) -> None:
    assert database.execute("select realtime.topic()").fetchone() == (None,)


def test_s4_5_a_message_has_one_payload_or_none(database: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute(
            "insert into realtime.messages (topic, extension, payload, binary_payload)"
            " values ('t', 'broadcast', '{}', '\\x00')"
        )


def test_s4_5_the_api_roles_may_select_insert_and_update(database: Connection) -> None:
    granted = database.execute(
        "select grantee, array_agg(privilege_type::text order by privilege_type)"
        " from information_schema.table_privileges where table_schema = 'realtime' and table_name = 'messages'"
        " and grantee in ('anon', 'authenticated', 'service_role') group by grantee order by grantee"
    ).fetchall()
    rights = ["INSERT", "SELECT", "UPDATE"]
    assert granted == [("anon", rights), ("authenticated", rights), ("service_role", rights)]
