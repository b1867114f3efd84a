"""How the stand-in reads the write-ahead log: with few rights, leaving nothing behind, and again after a restart."""

import json

import psycopg

from tests.support.peer import Peer
from tests.support.realtime_fixtures import Connect, Connection
from worker.local.stack import Stack


def test_the_login_is_no_superuser_and_owns_nothing(database: Connection) -> None:
    role = database.execute(
        "select rolsuper, rolcreaterole, rolcreatedb, rolinherit from pg_roles where rolname = 'realtime_login'"
    ).fetchone()
    assert role == (False, False, False, False)
    owned = database.execute("select count(*) from pg_class where relowner = 'realtime_login'::regrole").fetchone()
    assert owned == (0,)


def test_the_slot_is_temporary(database: Connection) -> None:
    """Or the log would pile up in Postgres while no stand-in runs."""
    slots = database.execute("select temporary, active, plugin from pg_replication_slots").fetchall()
    assert slots == [(True, True, "pgoutput")]


async def test_everything_comes_back_after_a_restart_of_postgres(
    realtime: Stack, connect: Connect, peer: Peer, secret_key: str, topic: str
) -> None:
    name = topic.removeprefix("realtime:")
    url = realtime.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as before:
        before.execute("create table public.restarted (id int primary key)")
        before.execute("alter publication supabase_realtime add table public.restarted")
    service = await connect(apikey=secret_key)
    await service.joined(topic, {"private": True})
    await peer.subscribed(topic, {"event": "*", "schema": "public", "table": "restarted"})

    realtime.postgres.stop()
    realtime.postgres.start()

    async def again(peer: Peer) -> None:
        said = await peer.next("system", topic)
        assert said.payload["message"] == "Subscribed to PostgreSQL"

    await again(peer)
    with psycopg.connect(url, autocommit=True) as after:
        after.execute("insert into public.restarted values (1)")
        after.execute("select realtime.send('{\"n\": 1}', 'e', %s)", [name])
        assert (await peer.next("postgres_changes")).payload["data"]["record"] == {"id": 1}
        assert json.loads((await service.next("broadcast")).payload["payload"])["n"] == 1
        late = await connect()
        await late.joined(topic)
        after.execute("drop table public.restarted")


async def test_s2_5_while_postgres_is_away_joins_are_refused_and_public_broadcasts_go_on(
    realtime: Stack, connect: Connect, peer: Peer, topic: str
) -> None:
    late = await connect()
    await peer.joined(topic, {"broadcast": {"self": True}})
    realtime.postgres.stop()
    try:
        ref = await late.push(topic, "phx_join", {"config": {}})
        await peer.broadcast(topic, "e", {})
        await peer.next("broadcast")
        refused = await late.next("phx_reply", topic, ref=ref, seconds=10)
        assert refused.payload["response"] == {
            "reason": "UnableToConnectToProject: Realtime was unable to connect to the project database"
        }
    finally:
        realtime.postgres.start()
