"""Deltas on the wire: joined, batched, in order, and never worth an answer."""

import asyncio
import contextlib
import gc

import anyio
import httpx
import pytest
from structlog.testing import capture_logs

from tests.scripted_model import ScriptedModel
from tests.waiting import until
from worker import api_http, broadcast
from worker.broadcast import Broadcaster
from worker.config import WorkerSettings

BOUND = 5  # seconds; what takes as long has failed


async def accepts(exchange):
    await exchange.answer(202, {})


@contextlib.asynccontextmanager
async def sending(*scripts):
    """A scripted Realtime and the worker's broadcaster."""
    async with ScriptedModel(*(scripts or [accepts])) as server:
        broadcaster = Broadcaster(
            WorkerSettings(
                _env_file=None,
                supabase_url=f"{server.url}/",
                supabase_secret_key="sb_secret_x",
                gemini_api_key="unused",
            )
        )
        try:
            yield server, broadcaster
        finally:
            await broadcaster.close()


def messages_of(request):
    return request.body["messages"]


def payloads_of(request):
    return [message["payload"] for message in messages_of(request)]


async def test_the_request():
    async with sending() as (server, broadcaster):
        broadcaster.send("s1", "m1", 2, 7, "piece")
        assert await broadcaster.flush() == 1
        [request] = server.requests

    assert request.path == "/realtime/v1/api/broadcast"
    assert request.headers["apikey"] == "sb_secret_x"
    assert request.headers["authorization"] == "Bearer sb_secret_x"
    assert request.body == {
        "messages": [
            {
                "topic": "chat:s1",
                "event": "delta",
                "private": True,
                "payload": {"message_id": "m1", "attempt": 2, "offset": 7, "text": "piece"},
            }
        ]
    }


async def test_pieces_of_one_attempt_are_joined_at_the_first_offset():
    async with sending() as (server, broadcaster):
        for offset, text in ((0, "one "), (4, "two "), (8, "three")):
            broadcaster.send("s1", "m1", 1, offset, text)
        assert await broadcaster.flush() == 1

    assert payloads_of(server.requests[0]) == [
        {"message_id": "m1", "attempt": 1, "offset": 0, "text": "one two three"}
    ]


async def test_the_next_flush_goes_on_where_the_last_ended():
    async with sending() as (server, broadcaster):
        broadcaster.send("s1", "m1", 1, 0, "one ")
        await broadcaster.flush()
        broadcaster.send("s1", "m1", 1, 4, "two")
        await broadcaster.flush()

    told = [payload for request in server.requests for payload in payloads_of(request)]
    assert [(payload["offset"], payload["text"]) for payload in told] == [(0, "one "), (4, "two")]


async def test_sessions_share_a_request_and_attempts_are_kept_apart():
    async with sending() as (server, broadcaster):
        broadcaster.send("s1", "m1", 1, 5, "old")
        broadcaster.send("s2", "m2", 1, 0, "other")
        broadcaster.send("s1", "m1", 2, 0, "new")
        assert await broadcaster.flush() == 3
        [request] = server.requests

    assert [
        (message["topic"], message["payload"]["attempt"], message["payload"]["offset"], message["payload"]["text"])
        for message in messages_of(request)
    ] == [("chat:s1", 1, 5, "old"), ("chat:s2", 1, 0, "other"), ("chat:s1", 2, 0, "new")]


async def test_nothing_to_say_is_no_request():
    async with sending() as (server, broadcaster):
        assert await broadcaster.flush() == 0
        await broadcaster.flush_last("m1", 1)

    assert server.requests == []


@pytest.mark.parametrize(
    "script",
    [
        lambda exchange: exchange.answer(500, {}),
        lambda exchange: exchange.reset(),
    ],
)
async def test_a_failure_is_told_in_the_log_and_not_raised(script):
    async with sending(script, accepts) as (server, broadcaster):
        broadcaster.send("s1", "m1", 1, 0, "sentinel")
        with capture_logs() as lines:
            await broadcaster.flush()
        broadcaster.send("s1", "m1", 1, 8, "next")
        await broadcaster.flush()

    assert [(line["action"], line["count"]) for line in lines] == [("deltas_dropped", 1)]
    assert "sentinel" not in str(lines)
    assert payloads_of(server.requests[-1])[0]["offset"] == 8


async def test_what_realtime_will_not_take_now_goes_out_later_in_one_piece():
    async with sending(lambda exchange: exchange.answer(429, {}), accepts) as (server, broadcaster):
        broadcaster.send("s1", "m1", 1, 0, "sentinel")
        with capture_logs() as lines:
            refused = asyncio.create_task(broadcaster.flush())
            await until(lambda: server.requests, "the request")
            broadcaster.send("s2", "m2", 1, 0, "other")
            broadcaster.send("s1", "m1", 1, 8, " and more")
            await refused
        assert await broadcaster.flush() == 2

    assert [(line["action"], line["count"]) for line in lines] == [("deltas_held_back", 1)]
    assert "sentinel" not in str(lines)
    assert [(payload["offset"], payload["text"]) for payload in payloads_of(server.requests[-1])] == [
        (0, "sentinel and more"),
        (0, "other"),
    ]


async def test_a_request_holds_few_messages_and_first_those_that_waited_longest():
    async with sending() as (server, broadcaster):
        for n in range(15):
            broadcaster.send(f"s{n}", f"m{n}", 1, 0, "x")
        assert [await broadcaster.flush() for _ in range(3)] == [10, 5, 0]

    told = [payload["message_id"] for request in server.requests for payload in payloads_of(request)]
    assert told == [f"m{n}" for n in range(15)]


async def test_the_last_flush_sends_its_own_answer_first_and_takes_others_along():
    async with sending() as (server, broadcaster):
        for n in range(12):
            broadcaster.send(f"s{n}", f"m{n}", 1, 0, "x")
        await broadcaster.flush_last("m11", 1)
        await broadcaster.flush_last("m0", 1)  # went along

    [request] = server.requests
    told = [payload["message_id"] for payload in payloads_of(request)]
    assert told == ["m11", *(f"m{n}" for n in range(9))]


async def test_nobody_there_is_not_raised():
    async with sending() as (server, broadcaster):
        await server.__aexit__()
        broadcaster.send("s1", "m1", 1, 0, "x")
        with capture_logs() as lines:
            await broadcaster.flush()

    assert [line["action"] for line in lines] == ["deltas_dropped"]


async def test_the_last_flush_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(broadcast, "LAST_FLUSH_SECONDS", 0.05)
    async with sending(lambda exchange: exchange.gone.wait()) as (_, broadcaster):
        broadcaster.send("s1", "m1", 1, 0, "x")
        with capture_logs() as lines:
            await asyncio.wait_for(broadcaster.flush_last("m1", 1), BOUND)

    assert [line["action"] for line in lines] == ["deltas_dropped"]


async def test_concurrent_flushes_keep_the_order():
    first_is_there, go_on = asyncio.Event(), asyncio.Event()

    async def slow(exchange):
        first_is_there.set()
        await go_on.wait()
        await accepts(exchange)

    async with sending(slow, accepts) as (server, broadcaster):
        broadcaster.send("s1", "m1", 1, 0, "a")
        flushes = [asyncio.create_task(broadcaster.flush())]
        await asyncio.wait_for(first_is_there.wait(), BOUND)
        for offset, text in ((1, "b"), (2, "c")):
            broadcaster.send("s1", "m1", 1, offset, text)
            flushes.append(asyncio.create_task(broadcaster.flush()))
        # Were the second not held back, this is when it would overtake the first.
        await asyncio.sleep(0.05)
        assert len(server.requests) == 1
        go_on.set()
        await asyncio.wait_for(asyncio.gather(*flushes), BOUND)

    told = [payload for request in server.requests for payload in payloads_of(request)]
    assert [(payload["offset"], payload["text"]) for payload in told] == [(0, "a"), (1, "bc")]


async def test_the_loop_sends_what_comes():
    arrived = asyncio.Event()

    async def script(exchange):
        await accepts(exchange)
        arrived.set()

    async with sending(script) as (server, broadcaster):
        running = asyncio.create_task(broadcaster.run())
        broadcaster.send("s1", "m1", 1, 0, "x")
        await asyncio.wait_for(arrived.wait(), BOUND)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert payloads_of(server.requests[0])[0]["text"] == "x"


async def test_since_when_nothing_is_taken_is_known_until_something_is(monkeypatch):
    async def refuses(exchange):
        await exchange.answer(500, {})

    async with sending(refuses, refuses, accepts, refuses) as (_, broadcaster):

        async def say():
            broadcaster.send("s1", "m1", 1, 0, "piece")
            await broadcaster.flush()

        assert broadcaster.failing_since is None
        await say()
        since = broadcaster.failing_since
        assert since is not None
        await say()
        assert broadcaster.failing_since == since
        await say()
        assert broadcaster.failing_since is None

        await say()
        assert broadcaster.failing_since is not None
        monkeypatch.setattr(broadcast, "LATELY_SECONDS", 0.0)
        assert broadcaster.failing_since is None, "what failed long ago tells nothing of now"


async def test_what_httpx_should_have_kept_to_itself_ends_nothing(monkeypatch):
    """As over TLS, where a connection is lost while something is written."""

    async def lose(*_, **__):
        raise anyio.EndOfStream

    async with sending() as (_, broadcaster):
        monkeypatch.setattr(broadcaster._client, "post", lose)
        broadcaster.send("s1", "m1", 1, 0, "piece")
        with capture_logs() as lines:
            await broadcaster.flush()
    assert [(line["action"], line["error"]) for line in lines] == [("deltas_dropped", "EndOfStream")]


async def test_a_last_flush_that_is_given_up_at_any_moment_costs_no_connection():
    async with sending() as (server, broadcaster):
        for moment in range(40):  # turns of the loop, more than a request takes here
            await broadcaster._client.aclose()
            broadcaster._client = httpx.AsyncClient(limits=httpx.Limits(max_connections=1), timeout=BOUND)
            broadcaster.send("s1", "m1", 1, 0, "piece")
            flushing = asyncio.create_task(broadcaster.flush_last("m1", 1))
            for _ in range(moment):
                await asyncio.sleep(0)
            flushing.cancel()
            await asyncio.gather(flushing, return_exceptions=True)
            assert (await broadcaster._client.post(f"{server.url}/", json={})).is_success, moment


async def test_what_becomes_of_a_flush_that_was_given_up_is_nobodys_error(monkeypatch):
    """The loop's handler tells an error where nobody waits for it: a defect."""
    monkeypatch.setattr(broadcast, "LAST_FLUSH_SECONDS", 0.01)
    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    may_end = asyncio.Event()

    async def lose(exchange):
        await may_end.wait()
        await exchange.reset()

    async with sending(lose) as (server, broadcaster):
        broadcaster.send("s1", "m1", 1, 0, "piece")
        await broadcaster.flush_last("m1", 1)
        may_end.set()
        await until(lambda: not api_http._under_way, "the end of the request")
        gc.collect()
        await asyncio.sleep(0)
        assert len(server.requests) == 1
    assert unheard == []
