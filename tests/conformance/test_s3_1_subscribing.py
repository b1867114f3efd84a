"""Sections 3.1 and 3.2 of the facts: what may be subscribed, and what is said of what may not."""

from typing import Any

import pytest

from tests.support.peer import Peer, on
from tests.support.realtime_fixtures import Connection, MakeTable, Start
from tests.support.waiting import until

NOTICED_SECONDS = 75  # the real server looks at the publication once a minute


async def error(peer: Peer, topic: str, *bindings: dict[str, Any], token: str | None = None) -> str:
    """The system message about bindings that cannot be subscribed; the channel stays."""
    await peer.joined(topic, {"postgres_changes": list(bindings)}, token)
    said = (await peer.next("system", topic)).payload
    assert (said["extension"], said["status"]) == ("postgres_changes", "error")
    assert (await peer.ask(topic, "phx_leave", {}))["status"] == "ok"
    await peer.next("phx_close", topic)
    return str(said["message"])


async def test_s3_1_wildcards_mean_the_tables_that_are_published(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    one, two = make_table("id int primary key"), make_table("id int primary key")
    await peer.subscribed(topic, {"event": "INSERT", "schema": "public"})
    database.execute(f"insert into public.{one} values (1)".encode())
    database.execute(f"insert into public.{two} values (2)".encode())
    assert [(await peer.change())["table"] for _ in range(2)] == [one, two]


async def test_s3_1_names_are_patterns(peer: Peer, database: Connection, make_table: MakeTable, topic: str) -> None:
    """2.129.8, lib/extensions/postgres_cdc_rls/subscriptions.ex: compared by LIKE, without an escape."""
    one, other = make_table("id int primary key"), make_table("id int primary key")
    database.execute(f"alter table public.{one} rename to pattern_a".encode())
    database.execute(f"alter table public.{other} rename to patternxa".encode())
    try:
        await peer.subscribed(topic, on("pattern_a"))
        await peer.subscribed(f"{topic}-all", on("pattern%", schema="pub%"))
        database.execute("insert into public.patternxa values (1)")
        database.execute("insert into public.pattern_a values (1)")
        heard = [await peer.next("postgres_changes", each) for each in (topic, f"{topic}-all") for _ in range(2)]
        assert [frame.payload["data"]["table"] for frame in heard] == ["patternxa", "pattern_a"] * 2
    finally:
        database.execute("drop table public.pattern_a, public.patternxa")


async def test_s3_1_a_table_that_is_published_later_is_noticed(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    make_table("id int primary key")
    await peer.subscribed(topic, {"event": "*", "schema": "*", "table": "*"})
    later = make_table("id int primary key")
    said = await peer.next("system", topic, seconds=NOTICED_SECONDS)
    assert said.payload["message"] == "Subscribed to PostgreSQL"
    database.execute(f"insert into public.{later} values (1)".encode())
    assert (await peer.change())["table"] == later


async def test_s3_1_a_table_that_is_published_no_more_sends_nothing(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str
) -> None:
    gone, stays = make_table("id int primary key"), make_table("id int primary key")
    await peer.subscribed(topic, {"event": "*", "schema": "public"})
    database.execute(f"alter publication supabase_realtime drop table public.{gone}".encode())
    await peer.next("system", topic, seconds=NOTICED_SECONDS)
    database.execute(f"insert into public.{gone} values (1)".encode())
    database.execute(f"insert into public.{stays} values (1)".encode())
    assert (await peer.change())["table"] == stays


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
    assert message == (
        "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to:"
        ' %{"event" => "*"}'
    )


@pytest.mark.parametrize("null", ["schema", "table", "filter"])
async def test_s3_2_null_is_not_left_out(peer: Peer, make_table: MakeTable, topic: str, null: str) -> None:
    """2.129.8, lib/extensions/postgres_cdc_rls/subscriptions.ex, parse_subscription_params."""
    wanted = {**on(make_table("id int primary key")), null: None}
    message = await error(peer, topic, wanted)
    assert message.startswith("No subscription params provided. Please provide at least a `schema` or `table`")
    assert f'"{null}" => nil' in message


async def test_s3_2_a_table_that_is_not_published_is_an_error(peer: Peer, make_table: MakeTable, topic: str) -> None:
    table = make_table("id int primary key", published=False)
    assert await error(peer, topic, on(table, "INSERT")) == (
        "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given"
        f" connect parameters: [event: INSERT, schema: public, table: {table}, filters: [], select: nil]"
    )


COLUMNS = "id int primary key, name text, secret text, done bool, code varchar(9)"


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
        ({"filter": "code=like.x%"}, "operator like requires a text-compatible column type, got character varying"),
        ({"filter": "code=match.x"}, "operator match requires a text-compatible column type, got character varying"),
        ({"select": ["id", "secret"]}, "invalid column for select secret"),
    ],
)
async def test_s3_2_what_the_database_refuses_is_told(
    peer: Peer, database: Connection, make_table: MakeTable, topic: str, binding: dict[str, Any], message: str
) -> None:
    table = make_table(COLUMNS)
    database.execute(f"revoke select on public.{table} from anon".encode())
    database.execute(f"grant select (id, name, done, code) on public.{table} to anon".encode())
    said = await error(peer, topic, on(table, **binding))
    assert "An exception happened so please check your connect parameters: [event: *, schema: public" in said
    assert f" Exception: ERROR {'22P02' if 'syntax' in message else 'P0001'} (" in said
    assert message in said


@pytest.mark.parametrize("binding", [{"schema": "\x00"}, {"table": "\x00"}, {"filter": "name=eq.\x00"}])
async def test_s3_2_what_no_text_of_postgres_can_hold_is_told_at_once(
    peer: Peer, make_table: MakeTable, topic: str, binding: dict[str, Any]
) -> None:
    wanted = {**on(make_table(COLUMNS)), **binding}
    config = {"postgres_changes": [wanted], "postgres_changes_options": {"wait": True}}
    reason = (await peer.join(topic, config))["response"]["reason"]
    assert reason.startswith("RealtimeDisabledForConfiguration: Unable to subscribe to changes")
    assert "ERROR 22021 (character_not_in_repertoire)" in reason


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


async def test_s3_1_a_wait_ends_in_time(start: Start, peers: Any, make_table: MakeTable, topic: str) -> None:
    """A server that has not polled until now needs another attempt, and this client will not wait for it."""
    (peer,) = await peers(start(subscribe_pause_ms="60000"))
    binding = {"event": "*", "schema": "public", "table": make_table("id int primary key")}
    reply = await peer.join(
        topic, {"postgres_changes": [binding], "postgres_changes_options": {"wait": True, "timeout": 0}}
    )
    assert reply["response"] == {
        "reason": "PostgresChangesSubscribeTimeout: Timed out after 0ms waiting for the postgres_changes subscription"
    }


async def test_s3_1_a_cold_server_takes_a_second_attempt_and_loses_what_came_before(
    start: Start, peers: Any, database: Connection, make_table: MakeTable, topic: str
) -> None:
    (peer,) = await peers(start(subscribe_pause_ms="300"))
    table = make_table("id int primary key")
    binding = {"event": "*", "schema": "public", "table": table}
    await peer.joined(topic, {"postgres_changes": [binding]})
    database.execute(f"insert into public.{table} values (1)".encode())
    await until(lambda: any(frame.event == "system" for frame in peer.heard), "the subscription")
    database.execute(f"insert into public.{table} values (2)".encode())
    assert (await peer.next("postgres_changes")).payload["data"]["record"] == {"id": 2}


@pytest.mark.parametrize("published", [True, False])
async def test_s3_1_a_join_may_wait_until_row_changes_flow(
    peer: Peer, database: Any, make_table: MakeTable, topic: str, published: bool
) -> None:
    table = make_table("id int primary key", published=published)
    binding = {"event": "*", "schema": "public", "table": table}
    config = {"postgres_changes": [binding], "postgres_changes_options": {"wait": True}}
    reply = await peer.join(topic, config)
    if published:
        database.execute(f"insert into public.{table} values (1)".encode())
        assert reply["status"] == "ok"
        await peer.next("system", topic)
        await peer.next("postgres_changes", topic)
    else:
        assert reply["response"]["reason"].startswith("RealtimeDisabledForConfiguration: Unable to subscribe to")
