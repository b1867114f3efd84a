"""Section 4 of the facts: broadcasts over the socket, over REST and from the database; replay."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Connect, Connection
from tests.conformance.peer import Peer, kind_3

MakeTable = Callable[..., str]
MakeToken = Callable[..., str]
Policy = Callable[..., None]


@pytest.fixture
def rest(url: str, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/realtime/v1/api", headers={"apikey": key}) as client:
        yield client


@pytest.fixture
def everybody_reads(policy: Policy) -> None:
    policy("select", "true", "anon, authenticated")


@pytest.fixture
async def reader(connect: Connect, everybody_reads: None, topic: str) -> Peer:
    """In the private channel."""
    peer = await connect()
    await peer.joined(topic, {"private": True})
    return peer


def name(topic: str) -> str:
    return topic.removeprefix("realtime:")


# 4.1 over the socket


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_s4_1_text_is_relayed_as_it_came(connect: Connect, topic: str, version: str) -> None:
    sender, one, two = await connect(version), await connect("1.0.0"), await connect("2.0.0")
    for socket in (sender, one, two):
        await socket.joined(topic)
    payload = {"type": "broadcast", "event": "e", "payload": {"é": [None]}, "more": 1}
    await sender.push(topic, "broadcast", payload)
    for socket in (one, two):
        assert (await socket.next("broadcast", topic)).payload == payload


async def test_s4_1_public_and_private_channels_of_one_name_are_separate(
    connect: Connect, reader: Peer, database: Connection, policy: Policy, topic: str
) -> None:
    policy("insert", "true", "anon")
    public, speaker = await connect(), await connect()
    await public.joined(topic, {"broadcast": {"ack": True}})
    await speaker.joined(topic, {"private": True, "broadcast": {"ack": True}})
    await public.ask(topic, "broadcast", {"event": "in public"})
    await speaker.ask(topic, "broadcast", {"event": "in private"})
    assert (await reader.next("broadcast")).payload == {"event": "in private"}
    assert await reader.settled() == []
    assert await public.settled() == []


@pytest.mark.parametrize("to_self", [True, False])
async def test_s4_1_self_is_about_the_sending_channel_alone(
    connect: Connect, peer: Peer, topic: str, to_self: bool
) -> None:
    other = await connect()
    for socket in (peer, other):
        await socket.joined(topic, {"broadcast": {"self": to_self}})
    await peer.broadcast(topic, "e", {})
    await other.next("broadcast", topic)
    assert len(await peer.settled()) == int(to_self)


@pytest.mark.parametrize("ack", [True, False])
async def test_s4_1_a_broadcast_is_acknowledged_if_that_was_asked_for(peer: Peer, topic: str, ack: bool) -> None:
    await peer.joined(topic, {"broadcast": {"ack": ack}})
    ref = await peer.broadcast(topic, "e", {})
    replies = [(frame.ref, frame.payload) for frame in await peer.settled()]
    assert replies == ([(ref, {"status": "ok", "response": {}})] if ack else [])


async def test_s4_1_a_broadcast_has_no_meta_of_its_own(connect: Connect, peer: Peer, topic: str) -> None:
    first = await connect("1.0.0")
    await first.joined(topic)
    await peer.joined(topic)
    await peer.send_raw(kind_3(topic, "e", b'{"n":1}'))
    assert (await first.next("broadcast")).payload == {"event": "e", "payload": {"n": 1}, "type": "broadcast"}


async def test_s4_1_broadcasts_arrive_in_the_order_in_which_they_were_sent(
    connect: Connect, peer: Peer, topic: str
) -> None:
    other = await connect()
    await other.joined(topic)
    await peer.joined(topic)
    for n in range(100):
        await peer.broadcast(topic, "e", n)
    heard = [(await other.next("broadcast")).payload["payload"] for _ in range(100)]
    assert heard == list(range(100))


# 4.2 and 4.3 over REST


def batch(rest: httpx.Client, *messages: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    return rest.post("/broadcast", json={"messages": list(messages)}, headers=headers)


def single(rest: httpx.Client, path: str, token: str = "", **body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return rest.post(f"/broadcast/{path}", headers=headers | body.pop("headers", {}), **body)


def message(topic: str, **more: Any) -> dict[str, Any]:
    return {"topic": name(topic), "event": "e", "payload": {"n": 1}, **more}


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_s4_2_a_batch_arrives_as_text(connect: Connect, rest: httpx.Client, topic: str, version: str) -> None:
    peer = await connect(version)
    await peer.joined(topic)
    sent = batch(rest, message(topic), message(topic, id="my-id"))
    assert (sent.status_code, sent.content) == (202, b"")
    plain, named = await peer.next("broadcast"), await peer.next("broadcast")
    assert plain.payload == {"event": "e", "payload": {"n": 1}, "type": "broadcast"}
    assert named.payload == {"event": "e", "payload": {"n": 1}, "type": "broadcast", "meta": {"id": "my-id"}}


async def test_s4_2_what_may_not_be_written_is_left_out_of_a_batch(
    reader: Peer, rest: httpx.Client, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("insert", "auth.jwt() ->> 'may' = 'write'")
    for token in (make_token(), make_token(may="write")):
        sent = batch(rest, message(topic, private=True), headers={"authorization": f"Bearer {token}"})
        assert sent.status_code == 202
    await reader.next("broadcast")
    assert await reader.settled() == []


async def test_s4_2_the_secret_key_passes_the_policies(
    reader: Peer, rest: httpx.Client, secret_key: str, topic: str
) -> None:
    batch(rest, message(topic, private=True), headers={"apikey": secret_key})
    assert (await reader.next("broadcast")).payload["event"] == "e"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"topic": None}, "topic"),
        ({"event": ""}, "event"),
        ({"payload": None}, "payload"),
        ({"payload": [1]}, "payload"),
    ],
)
async def test_s4_2_an_incomplete_message_spoils_its_batch(
    peer: Peer, rest: httpx.Client, topic: str, wrong: dict[str, Any], field: str
) -> None:
    await peer.joined(topic)
    refused = batch(rest, message(topic), {**message(topic), **wrong})
    assert refused.status_code == 422
    assert refused.json()["errors"]["messages"][1].keys() == {field}
    assert await peer.settled() == []


@pytest.mark.parametrize("path", ["/broadcast", "/broadcast/room/events/e"])
@pytest.mark.parametrize("token", ["", "nonsense", "sb_secret_of_somebody_else"])
def test_s4_2_a_bad_token_is_unauthorized(url: str, path: str, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    refused = httpx.post(f"{url}/realtime/v1/api{path}", json={"messages": []}, headers=headers)
    assert (refused.status_code, refused.json()) == (401, {"message": "Unauthorized"})


def test_s4_2_each_answer_tells_the_rate(rest: httpx.Client, topic: str) -> None:
    sent = batch(rest, message(topic))
    assert sent.headers["x-rate-limit"] == "100000"
    assert int(sent.headers["x-rate-rolling"]) + int(sent.headers["x-rate-limit-remaining"]) == 100_000


def test_s4_2_any_page_may_call(rest: httpx.Client) -> None:
    headers = {"origin": "https://elsewhere.test", "access-control-request-method": "POST"}
    assert rest.options("/broadcast", headers=headers).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("kind", "body", "encoding"),
    [("application/json", b'{ "n": 1.50 }', 1), ("application/octet-stream", b"\x00\xff", 0)],
)
async def test_s4_3_the_body_of_a_single_broadcast_is_its_payload(
    connect: Connect, peer: Peer, rest: httpx.Client, topic: str, kind: str, body: bytes, encoding: int
) -> None:
    first = await connect("1.0.0")
    for socket in (first, peer):
        await socket.joined(topic)
    sent = single(rest, f"{name(topic)}/events/my%20event", content=body, headers={"content-type": kind})
    assert (sent.status_code, sent.content) == (202, b"")
    heard = (await peer.next("broadcast")).payload
    assert heard == {"event": "my event", "payload": body, "metadata": "", "encoding": encoding}
    texts = [frame.payload["payload"] for frame in await first.settled()]
    assert texts == ([{"n": 1.5}] if encoding else [])  # 1.0.0 has no bytes


async def test_s4_3_a_private_single_broadcast_needs_the_right_to_write(
    reader: Peer, rest: httpx.Client, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("insert", "auth.jwt() ->> 'may' = 'write'")
    path = f"{name(topic)}/events/e?private=true"
    denied = single(rest, path, make_token(), json={})
    assert (denied.status_code, denied.json()) == (403, {"message": "Unauthorized"})
    assert single(rest, path, make_token(may="write"), json={}).status_code == 202
    await reader.next("broadcast")
    assert await reader.settled() == []


def test_s4_3_another_type_of_body_is_refused(rest: httpx.Client) -> None:
    refused = rest.post("/broadcast/room/events/e", content="x", headers={"content-type": "text/plain"})
    assert (refused.status_code, refused.json()) == (
        415,
        {"error": "Unsupported Media Type. Use application/json or application/octet-stream"},
    )


# 4.4 from the database


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


# 4.5 the table


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


async def test_s4_5_broadcasts_of_clients_are_not_stored(
    peer: Peer, rest: httpx.Client, database: Connection, topic: str
) -> None:
    await peer.joined(topic, {"broadcast": {"ack": True}})
    await peer.ask(topic, "broadcast", {"event": "e", "payload": {}})
    batch(rest, message(topic))
    assert database.execute("select from realtime.messages where topic = %s", [name(topic)]).fetchall() == []


# 4.6 replay


def store(database: Connection, topic: str, count: int, **columns: Any) -> None:
    """Some messages a second apart, the newest a second old; broadcast long before anybody joins."""
    row = {"event": "stored", "private": True, "extension": "broadcast", **columns}
    database.execute(
        "insert into realtime.messages (topic, extension, event, private, payload, inserted_at)"
        " select %s, %s, %s, %s, jsonb_build_object('n', n),"
        "   now() at time zone 'utc' - (%s - n) * interval '1 second' from generate_series(0, %s - 1) n",
        [name(topic), row["extension"], row["event"], row["private"], count, count],
    )


def replaying(since: Any = 0, **limit: Any) -> dict[str, Any]:
    return {"private": True, "broadcast": {"replay": {"since": since, **limit}}}


@pytest.mark.parametrize(("limit", "expected"), [({}, 25), ({"limit": 3}, 3), ({"limit": 99}, 25), ({"limit": 0}, 1)])
async def test_s4_6_the_newest_are_replayed_oldest_first_after_the_reply(
    everybody_reads: None, peer: Peer, database: Connection, topic: str, limit: dict[str, int], expected: int
) -> None:
    store(database, topic, 30)
    await peer.joined(topic, replaying(**limit))
    heard = [frame for frame in await peer.settled() if frame.event == "broadcast"]
    assert [frame.payload["payload"]["n"] for frame in heard] == list(range(30 - expected, 30))
    assert {(frame.join_ref, frame.ref, frame.payload["event"]) for frame in heard} == {("1", None, "stored")}
    assert all(frame.payload["meta"].keys() == {"replayed", "id"} for frame in heard)


async def test_s4_6_only_this_private_channels_broadcasts_since_then_are_replayed(
    everybody_reads: None, peer: Peer, database: Connection, topic: str
) -> None:
    store(database, f"{topic}-other", 1)
    store(database, topic, 1, private=False)
    store(database, topic, 1, extension="presence")
    store(database, topic, 20)
    since = int((time.time() - 5.5) * 1000)
    await peer.joined(topic, replaying(since))
    heard = [frame.payload["payload"]["n"] for frame in await peer.settled()]
    assert heard in ([15, 16, 17, 18, 19], [16, 17, 18, 19])


async def test_s4_6_bytes_are_replayed_to_version_2_alone(
    everybody_reads: None, connect: Connect, peer: Peer, database: Connection, topic: str
) -> None:
    database.execute("select realtime.send_binary('\\x00ff', 'bytes', %s)", [name(topic)])
    first = await connect("1.0.0")
    for socket in (peer, first):
        await socket.joined(topic, replaying())
    heard = (await peer.next("broadcast")).payload
    assert (heard["payload"], heard["encoding"]) == (b"\x00\xff", 0)
    assert json.loads(heard["metadata"])["replayed"] is True
    assert await first.settled() == []


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            {"broadcast": {"replay": {"since": 0}}},
            "UnableToReplayMessages: Replay is not allowed for public channels",
        ),
        (replaying("yesterday"), "UnableToReplayMessages: Replay params are not valid"),
        (replaying(0, limit="all"), "UnableToReplayMessages: Replay params are not valid"),
        (
            {"private": True, "broadcast": {"replay": {"limit": 5}}},
            "UnableToReplayMessages: Replay params are not valid",
        ),
    ],
)
async def test_s4_6_what_cannot_be_replayed_fails_the_join(
    everybody_reads: None, peer: Peer, topic: str, config: dict[str, Any], reason: str
) -> None:
    assert (await peer.join(topic, config))["response"] == {"reason": reason}


@pytest.mark.parametrize("since", [10**18, -(10**18), 10**400])
async def test_s4_6_a_time_that_no_calendar_knows_fails_the_join(
    everybody_reads: None, peer: Peer, topic: str, since: int
) -> None:
    reason = (await peer.join(topic, replaying(since)))["response"]["reason"]
    assert reason.startswith("UnableToReplayMessages: ")


async def test_s4_6_who_may_not_read_gets_no_replay(
    peer: Peer, database: Connection, policy: Policy, topic: str
) -> None:
    policy("select", "extension = 'presence'", "anon")
    store(database, topic, 3)
    config = {**replaying(), "presence": {"enabled": True}}
    reply = await peer.join(topic, config)
    assert reply["response"]["reason"].startswith("Unauthorized: ")
    assert await peer.settled() == []
