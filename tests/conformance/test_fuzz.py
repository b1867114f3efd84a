"""Nothing that a client sends takes the server down, is heard where it must not be, or hears what it must not."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.peer import Peer, kind_3, socket_url
from worker.local.stack import Stack

SECRET = "realtime:fuzz-secret"  # a private room; the public room of that name is anybody's
QUIET = "realtime:fuzz-quiet"  # a public room whose name no attacker knows
KNOWN = [SECRET, "realtime:fuzz-open", "realtime:", "realtime", "phoenix", "", "realtime:*", "realtime:public:t"]

odd = st.sampled_from(["\ud800", "x\udfff", "\x00", "realtime:\ud800", "realtime:\x00", "a.b.c"])
topics = st.sampled_from(KNOWN) | odd | st.text(max_size=20).map("realtime:{}".format) | st.text(max_size=10)
events = st.sampled_from(
    ["phx_join", "phx_leave", "broadcast", "presence", "access_token", "heartbeat", "phx_close", "phx_reply"]
) | st.text(max_size=12)
values = st.recursive(
    odd | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = odd | st.sampled_from(
    ["*", "public", "realtime", "auth", "messages", "users", "pg_class", "' or true --", '"']
)
bindings = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "event": events | values,
            "schema": names | values,
            "table": names | values,
            "filter": st.sampled_from(["id=eq.1", "id=in.(", 'a=eq."', "a=is.null) or (true"]) | st.text(max_size=20),
            "select": values,
        },
    ),
    max_size=3,
)
configs = st.fixed_dictionaries(
    {},
    optional={
        "private": st.booleans() | values,
        "broadcast": st.fixed_dictionaries(
            {}, optional={"self": st.just(True), "ack": st.just(True), "replay": values, "replication_ready": values}
        )
        | values,
        "presence": st.fixed_dictionaries({"enabled": st.just(True)}, optional={"key": values}) | values,
        "postgres_changes": bindings | values,
        "postgres_changes_options": st.fixed_dictionaries({"wait": st.just(True)}, optional={"timeout": values}),
    },
)
payloads = (
    values
    | st.fixed_dictionaries({"config": configs | values}, optional={"access_token": st.text(max_size=30) | values})
    | st.fixed_dictionaries({"event": events, "payload": values}, optional={"type": values})
    | st.fixed_dictionaries({"access_token": st.text(max_size=30) | values})
)
refs = st.none() | st.text(max_size=3) | values
frames = (
    st.tuples(refs, refs, topics, events, payloads)  # said in the socket's own version
    | st.builds(
        kind_3,
        topics.filter(lambda text: len(text.encode(errors="ignore")) == len(text.encode(errors="surrogatepass"))),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        st.binary(max_size=40),
        encoding=st.integers(0, 255),
    )
    | st.binary(max_size=60)
    | st.binary(max_size=60).map(lambda rest: b"\x03" + rest)
    | values.map(json.dumps)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    | st.integers(1, 20_000).map(lambda depth: "[" * depth)
    | st.integers(1, 900).map(lambda depth: f'[null,"1","{KNOWN[1]}","broadcast",{"[" * depth}{"]" * depth}]')
)
# Most conversations begin by joining, or nothing after it would matter.
joins = st.fixed_dictionaries({"config": configs}, optional={"access_token": st.text(max_size=30) | values})
openings = st.tuples(st.just("1"), st.just("1"), st.sampled_from(KNOWN[:2]), st.just("phx_join"), joins)
conversations = st.tuples(st.none() | openings, st.lists(frames, min_size=1, max_size=8))
versions = st.sampled_from(["1.0.0", "2.0.0"])


Message = tuple[Any, Any, str, str, Any]  # join_ref, ref, topic, event, payload


@dataclass
class House:
    runner: asyncio.Runner
    stack: Stack
    attacker_urls: dict[str, str]  # by version
    insider: Peer  # in the private room
    neighbour: Peer  # in the quiet one
    examples: int = 0


@pytest.fixture(scope="module")
def house(realtime: Stack) -> Iterator[House]:
    base = realtime.environment["SUPABASE_URL"]
    key = realtime.environment["SUPABASE_PUBLISHABLE_KEY"]
    anybody = {version: socket_url(base, apikey=key, vsn=version) for version in ("1.0.0", "2.0.0")}
    service = socket_url(base, apikey=realtime.environment["SUPABASE_SECRET_KEY"], vsn="2.0.0")

    async def enter(url: str, topic: str, config: dict[str, Any]) -> Peer:
        peer = await Peer(url).__aenter__()
        await peer.joined(topic, {"broadcast": {"ack": True}, **config})
        return peer

    with asyncio.Runner() as runner:
        insider = runner.run(enter(service, SECRET, {"private": True, "presence": {"enabled": True, "key": "in"}}))
        neighbour = runner.run(enter(anybody["2.0.0"], QUIET, {}))
        runner.run(insider.next("presence_state"))
        yield House(runner, realtime, anybody, insider, neighbour)
        for peer in (insider, neighbour):
            runner.run(peer.__aexit__(None, None, None))


def said(version: str, message: Message) -> str:
    join_ref, ref, topic, event, payload = message
    if version == "2.0.0":
        return json.dumps(message)
    return json.dumps({"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": join_ref})


async def attack(house: House, version: str, opening: Message | None, frames: list[str | bytes | Message]) -> None:
    house.examples += 1
    word = f"top-secret-{house.examples}"
    async with Peer(house.attacker_urls[version], version) as attacker:
        for frame in [*([opening] if opening else []), *frames]:
            await attacker.send_raw(said(version, frame) if isinstance(frame, tuple) else frame)
        await house.insider.ask(SECRET, "broadcast", {"event": "e", "payload": word})
        # The server still answers this very socket, unless it was closed for what it sent; and it heard nothing.
        if attacker.close_code is None:
            await attacker.settled()
        assert "top-secret" not in str(attacker.heard)
        assert all(frame.event != "postgres_changes" for frame in attacker.heard)
    for peer in (house.insider, house.neighbour):
        assert await peer.settled() == []


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=300,
    phases=[Phase.generate],  # shrinking would wait for each try as long as for the failure
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(version=versions, conversation=conversations)
def test_frames(house: House, version: str, conversation: tuple[Message | None, list[str | bytes | Message]]) -> None:
    house.runner.run(attack(house, version, *conversation))


bodies = (
    values.map(json.dumps)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "topic": st.sampled_from(["fuzz-secret", "x"]) | values,
                "event": st.text(max_size=8) | values,
                "payload": values,
                "private": st.booleans() | values,
                "id": values,
            },
        ),
        max_size=3,
    ).map(lambda messages: json.dumps({"messages": messages}))
)


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    phases=[Phase.generate],  # shrinking would wait for each try as long as for the failure
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=bodies, path=st.sampled_from(["", "/fuzz-secret/events/e?private=true", "/x/events/e", "/x/events/"]))
def test_requests(house: House, body: str, path: str) -> None:
    url = f"{house.stack.environment['SUPABASE_URL']}/realtime/v1/api/broadcast{path}"
    headers = {"apikey": house.stack.environment["SUPABASE_PUBLISHABLE_KEY"], "content-type": "application/json"}
    answer = httpx.post(url, content=body.encode(), headers=headers)
    assert answer.status_code < 500, (answer.status_code, answer.text)
    assert house.runner.run(house.insider.settled()) == []


def test_the_server_has_survived(house: House) -> None:
    """Runs last: the same process, well, and without an error of its own in the log."""
    assert house.stack.realtime.running
    answer = httpx.get(f"http://127.0.0.1:{house.stack.ports.realtime}/realtime/v1/health")
    assert answer.json() == {"healthy": True}
    log = (house.stack.directory / "logs" / "realtime.log").read_text()
    assert "Traceback" not in log
