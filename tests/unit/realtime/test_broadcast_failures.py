"""Deltas that Realtime does not take: told, held back or dropped, and never worth an answer."""

import asyncio
import contextlib

import anyio
import pytest
from structlog.testing import capture_logs

from tests.support.broadcasts import (
    Gate,
    accepts,
    payloads,
    pieces,
    refuses,
    sending,
)
from tests.support.scripted_model import Exchange, Script
from tests.support.waiting import until
from worker.realtime import broadcast


@pytest.mark.parametrize(
    "script",
    [
        lambda exchange: exchange.answer(500, {}),
        lambda exchange: exchange.reset(),
    ],
)
async def test_a_failure_is_told_in_the_log_and_not_raised(script: Script) -> None:
    async with sending(script, accepts) as (server, broadcaster):
        with capture_logs() as lines:
            broadcaster.send("s1", "m1", 1, 0, "sentinel")
            await until(lambda: lines, "the failure")
        broadcaster.send("s1", "m1", 1, 8, "next")
        await until(lambda: len(server.requests) == 2, "the second request")

    assert [(line["action"], line["count"]) for line in lines] == [("deltas_dropped", 1)]
    assert "sentinel" not in str(lines)
    assert pieces(server)[-1] == ("m1", 8, "next")


async def test_what_realtime_refuses_goes_out_later_in_one_piece_after_what_is_newer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "REFUSED_SECONDS", 0.2)
    refusing = Gate(refuses)
    async with sending(refusing, accepts) as (server, broadcaster):
        with capture_logs() as lines:
            broadcaster.send("s1", "m1", 1, 0, "sentinel")
            await until(lambda: server.requests, "the request")
            refusing.open()
            await until(lambda: lines, "the refusal")
            broadcaster.send("s2", "m2", 1, 0, "other")
            broadcaster.send("s1", "m1", 1, 8, " and more")
            await until(lambda: len(payloads(server)) == 3, "both of them")

    assert [(line["action"], line["count"]) for line in lines] == [("deltas_held_back", 1)]
    assert "sentinel" not in str(lines)
    assert sorted(pieces(server)[1:]) == [("m1", 0, "sentinel and more"), ("m2", 0, "other")]


async def test_nothing_of_an_answer_that_is_over_is_sent_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "REFUSED_SECONDS", 0.2)
    refusing = Gate(refuses)
    async with sending(refusing, accepts) as (server, broadcaster):
        broadcaster.send("s", "live", 1, 0, "a")
        await until(lambda: server.requests, "the request")
        with capture_logs() as lines:
            refusing.open()
            await until(lambda: lines, "the refusal")
        for number in range(30):
            with broadcaster.answering(f"over {number}"):
                broadcaster.send("s", f"over {number}", 1, 0, "x" * 5000)
        broadcaster.send("s", "live", 1, 1, "b")
        await until(lambda: len(server.requests) == 2, "the next request")

    assert pieces(server)[1:] == [("live", 0, "ab")]


async def test_nobody_there_is_not_raised() -> None:
    async with sending() as (server, broadcaster):
        await server.__aexit__()
        with capture_logs() as lines:
            broadcaster.send("s1", "m1", 1, 0, "x")
            await until(lambda: lines, "the failure")

    assert [line["action"] for line in lines] == ["deltas_dropped"]


async def test_an_answer_that_comes_a_byte_at_a_time_is_given_up_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte would begin the client's own limit anew, and the sender would send nothing more."""

    async def drips(exchange: Exchange) -> None:
        with contextlib.suppress(ConnectionError):
            while not exchange.gone.is_set():
                await exchange.raw(b" ")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await exchange.gone.wait()

    monkeypatch.setattr(broadcast, "SEND_SECONDS", 0.1)
    async with sending(drips, accepts) as (server, broadcaster):
        # Where this machine pauses for longer than that limit, it would end the call in the deadline's place.
        broadcaster._client.timeout = None
        with capture_logs() as lines:
            broadcaster.send("s1", "m1", 1, 0, "x")
            await until(lambda: lines, "the end of the call")
        await until(server.exchanges[0].gone.is_set, "the end of its connection")
        monkeypatch.undo()
        broadcaster.send("s1", "m1", 1, 1, "next")
        await until(lambda: len(server.requests) == 2, "the next request")

    assert [(line["action"], line["error"]) for line in lines] == [("deltas_dropped", "TimeoutError")]
    assert pieces(server)[-1] == ("m1", 1, "next")


async def test_since_when_nothing_is_taken_is_known_until_something_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(exchange: Exchange) -> None:
        await exchange.answer(500, {})

    async with sending(fails, fails, accepts, fails) as (server, broadcaster):

        async def say(number: int) -> None:
            broadcaster.send("s1", "m1", 1, 0, "piece")
            await until(lambda: len(server.requests) == number, "the request")
            await broadcaster.flush_last("m1")

        assert broadcaster.failing_since is None
        await say(1)
        since = broadcaster.failing_since
        assert since is not None
        await say(2)
        assert broadcaster.failing_since == since
        await say(3)
        assert broadcaster.failing_since is None

        await say(4)
        assert broadcaster.failing_since is not None
        monkeypatch.setattr(broadcast, "LATELY_SECONDS", 0.0)
        assert broadcaster.failing_since is None, "what failed long ago tells nothing of now"


async def test_what_httpx_should_have_kept_to_itself_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As over TLS, where a connection is lost while something is written."""

    async def lose(*_: object, **__: object) -> None:
        raise anyio.EndOfStream

    async with sending() as (_, broadcaster):
        monkeypatch.setattr(broadcaster._client, "post", lose)
        with capture_logs() as lines:
            broadcaster.send("s1", "m1", 1, 0, "piece")
            await until(lambda: lines, "the failure")
    assert [(line["action"], line["error"]) for line in lines] == [("deltas_dropped", "EndOfStream")]
