"""What supabase-js 2.119 says and hears, in Node: the other protocol, bytes, replay, waiting for row changes."""

import asyncio
import json
import os
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import Project
from tests.support.realtime_fixtures import Connection, MakeTable, MakeToken, Policy
from worker.local.stack import NODE

SCRIPT = Path(__file__).with_name("supabase_js.mjs")
PATIENCE = 20.0  # seconds, Node's start included

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
def start(project: Project, topic: str) -> Start:
    """The script with one scenario; it says on standard error how far it has come."""

    async def run(scenario: str, **told: str) -> Process:
        environment = {
            **os.environ,
            "SUPABASE_URL": project.url,
            "SUPABASE_PUBLISHABLE_KEY": project.publishable_key,
            **told,
            "SCENARIO": scenario,
            "TOPIC": topic.removeprefix("realtime:"),
        }
        return await asyncio.create_subprocess_exec(str(NODE), str(SCRIPT), env=environment, stdout=PIPE, stderr=PIPE)

    return run


async def said(process: Process, word: str) -> None:
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        async for line in process.stderr:
            if word in line.decode():
                return
    raise AssertionError(f"ended without {word!r}")


async def outcome(process: Process) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    return found


async def test_s1_6_text_and_bytes_reach_clients_of_both_protocols(start: Start) -> None:
    ended = await outcome(await start("broadcast"))
    assert ended["found"] == {"text": "ok", "bytes": "ok"}
    assert sorted(map(str, ended["heard"])) == sorted(
        map(
            str,
            [
                ["1.0.0", "text", {"n": 1.5}],
                ["1.0.0", "http", {"n": 2}],
                ["2.0.0", "text", {"n": 1.5}],
                ["2.0.0", "bytes", [0, 255]],
                ["2.0.0", "http", {"n": 2}],
            ],
        )
    )


async def test_s5_a_denied_broadcast_times_out_and_a_denied_track_is_an_error(
    start: Start, make_token: MakeToken, policy: Policy
) -> None:
    policy("select", "true")
    ended = await outcome(await start("denied", TOKEN=make_token()))
    assert ended["found"] == {"sent": "timed out", "tracked": "error"}


async def test_s2_5_a_refusal_is_told_in_the_servers_words(start: Start, make_token: MakeToken, topic: str) -> None:
    ended = await outcome(await start("refused", TOKEN=make_token()))
    name = topic.removeprefix("realtime:")
    assert ended["states"] == [
        f"CHANNEL_ERROR: Unauthorized: You do not have permissions to read from this Channel topic: {name}"
    ]


async def test_s2_7_a_channel_is_closed_when_its_token_expires(
    start: Start, make_token: MakeToken, policy: Policy
) -> None:
    policy("select", "true")
    ended = await outcome(await start("expiry", TOKEN=make_token(exp=int(time.time()) + 4)))
    assert ended["states"][0] == "SUBSCRIBED"
    assert ended["states"][1].startswith("CHANNEL_ERROR") or ended["states"][1] == "CLOSED"
    assert ended["states"][-1] == "CLOSED"


async def test_s3_4_row_changes_reach_the_app_by_type(
    start: Start, database: Connection, make_table: MakeTable
) -> None:
    table = make_table("id bigint primary key, tags text[], at timestamptz, note jsonb")
    process = await start("changes", TABLE=table)
    await said(process, "Subscribed to PostgreSQL")
    row = "array['a','b'], '2026-01-02T03:04:05Z', '{\"n\": [1]}'"
    database.execute(f"insert into public.{table} values (1, {row}), (3, {row})".encode())
    database.execute(f"update public.{table} set tags = null".encode())
    database.execute(f"delete from public.{table}".encode())
    new = {"id": 1, "tags": ["a", "b"], "at": "2026-01-02T03:04:05+00:00", "note": {"n": [1]}}
    assert (await outcome(process))["heard"] == [
        ["INSERT", new, {}, None],
        ["UPDATE", {**new, "tags": None}, {"id": 1}, None],
        ["DELETE", {}, {"id": 1}, None],
    ]


async def test_s3_1_with_wait_nothing_is_lost_after_subscribed(
    start: Start, database: Connection, make_table: MakeTable
) -> None:
    table = make_table("id int primary key")
    process = await start("wait", TABLE=table)
    await said(process, "SUBSCRIBED")
    database.execute(f"insert into public.{table} values (1)".encode())
    assert (await outcome(process))["heard"] == [{"id": 1}]


async def test_s4_6_replay_comes_marked_and_oldest_first(
    start: Start, database: Connection, policy: Policy, topic: str
) -> None:
    policy("select", "true", "anon")
    for n in range(3):
        database.execute(
            "select realtime.send(jsonb_build_object('n', %s::int), 'e', %s)", [n, topic.removeprefix("realtime:")]
        )
    assert (await outcome(await start("replay")))["heard"] == [[1, True], [2, True]]


async def test_s6_presence_is_kept_in_step(start: Start) -> None:
    ended = await outcome(await start("presence"))
    assert ended["found"] == {"ann": "ok", "ben": "ok", "state": ["ann", "ben"]}
