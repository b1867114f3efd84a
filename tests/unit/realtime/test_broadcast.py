"""Deltas on the wire: joined, batched, in order, in budget, and the last one at once."""

import asyncio
import contextlib

import pytest

from tests.support.broadcasts import (
    BOUND,
    Gate,
    accepts,
    dropped,
    keep_busy,
    payloads,
    payloads_of,
    pieces,
    sending,
)
from tests.support.waiting import until
from worker.realtime import broadcast


async def test_the_request() -> None:
    async with sending() as (server, broadcaster):
        broadcaster.send("s1", "m1", 2, 7, "piece")
        await until(lambda: server.requests, "the request")
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


async def test_pieces_that_wait_are_joined_at_the_first_offset_and_the_next_goes_on_there() -> None:
    async with sending() as (server, broadcaster):
        for offset, text in ((0, "one "), (4, "two ")):
            broadcaster.send("s1", "m1", 1, offset, text)
        await until(lambda: server.requests, "the first request")
        for offset, text in ((8, "three "), (14, "four")):
            broadcaster.send("s1", "m1", 1, offset, text)
        await until(lambda: len(server.requests) == 2, "the second request")

    assert pieces(server) == [("m1", 0, "one two "), ("m1", 8, "three four")]


async def test_a_new_attempt_takes_the_place_of_what_was_left_of_the_old_one() -> None:
    gate = Gate()
    async with sending(gate, accepts) as (server, broadcaster):
        broadcaster.send("s1", "m1", 1, 0, "one ")
        await until(lambda: server.requests, "the first request")
        broadcaster.send("s1", "m1", 1, 4, "two")
        broadcaster.send("s1", "m1", 2, 0, "anew")
        gate.open()
        await until(lambda: len(server.requests) == 2, "the second request")

    assert [(p["attempt"], p["offset"], p["text"]) for p in payloads(server)] == [(1, 0, "one "), (2, 0, "anew")]


async def test_a_request_holds_few_messages_and_first_those_that_waited_longest() -> None:
    async with sending() as (server, broadcaster):
        for n in range(15):
            broadcaster.send(f"s{n}", f"m{n}", 1, 0, "x")
        await until(lambda: len(payloads(server)) == 15, "all of them")

    # The second may overtake the first: they are under way together.
    assert sorted(len(payloads_of(request)) for request in server.requests) == [5, 10]
    assert {f"m{n}" for n in range(10)} in [{p["message_id"] for p in payloads_of(r)} for r in server.requests]
    assert sorted(pieces(server)) == sorted((f"m{n}", 0, "x") for n in range(15))


async def test_two_requests_are_under_way_and_never_two_with_pieces_of_one_answer() -> None:
    gate = Gate()
    async with sending(gate) as (server, broadcaster):
        broadcaster.send("s1", "m1", 1, 0, "a")
        await until(lambda: len(server.requests) == 1, "the first request")
        broadcaster.send("s1", "m1", 1, 1, "b")
        broadcaster.send("s2", "m2", 1, 0, "x")
        await until(lambda: len(server.requests) == 2, "the second request")
        broadcaster.send("s3", "m3", 1, 0, "y")
        # Were there a third sender, or the piece not held back, this is when it would be there.
        await asyncio.sleep(2 * broadcast.COALESCE_SECONDS)
        assert pieces(server) == [("m1", 0, "a"), ("m2", 0, "x")]
        gate.open()
        await until(lambda: len(payloads(server)) == 4, "the rest")

    assert sorted(pieces(server)[2:]) == [("m1", 1, "b"), ("m3", 0, "y")]


async def test_the_last_piece_goes_out_first_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "LAST_FLUSH_SECONDS", BOUND)
    gates = [Gate(), Gate()]
    async with sending(*gates, accepts) as (server, broadcaster):
        await keep_busy(server, broadcaster)
        for n in range(12):
            broadcaster.send(f"s{n}", f"m{n}", 1, 0, "x")
        flushing = asyncio.create_task(broadcaster.flush_last("m11"))
        await asyncio.sleep(0)
        for gate in gates:
            gate.open()
        await asyncio.wait_for(flushing, BOUND)
        await until(lambda: len(payloads(server)) == 14, "all of them")

    assert payloads_of(server.requests[2])[0]["message_id"] == "m11"


async def test_the_last_flush_does_not_wait_for_ever_and_loses_nothing_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "LAST_FLUSH_SECONDS", 0.05)
    before = dropped()
    gates = [Gate(), Gate()]
    async with sending(*gates, accepts) as (server, broadcaster):
        await keep_busy(server, broadcaster)
        for n in range(3):
            broadcaster.send(f"s{n}", f"m{n}", 1, 0, "x")
        await asyncio.wait_for(broadcaster.flush_last("m1"), BOUND)
        for gate in gates:
            gate.open()
        await until(lambda: len(payloads(server)) == 4, "the others'")

    assert dropped() - before == 1
    assert sorted(pieces(server)[2:]) == [("m0", 0, "x"), ("m2", 0, "x")]


async def test_nothing_to_say_is_no_request_and_no_wait() -> None:
    async with sending() as (server, broadcaster):
        await asyncio.wait_for(broadcaster.flush_last("m1"), 0.5)

    assert server.requests == []


async def test_what_the_database_sends_for_replies_is_paid_before_any_delta() -> None:
    before = dropped()
    # Two deltas could be sent at once, were it not for the sixty messages of five replies.
    async with sending(per_second=4) as (server, broadcaster):
        with contextlib.ExitStack() as replies:
            for number in range(5):
                replies.enter_context(broadcaster.answering(f"m{number}"))
            broadcaster.send("s1", "m1", 1, 0, "x")
            # Its row follows at once, and has all of it: no reason to wait for many seconds.
            await asyncio.wait_for(broadcaster.flush_last("m1"), 0.5)

    assert server.requests == []
    assert dropped() - before == 1


async def test_no_more_deltas_than_the_budget_holds() -> None:
    async with sending(per_second=10) as (server, broadcaster):
        for n in range(12):
            broadcaster.send(f"s{n}", f"m{n}", 1, 0, "x")
        await until(lambda: server.requests, "the first request")

    assert len(payloads_of(server.requests[0])) == 5  # two messages each


async def test_an_answer_that_cannot_be_sent_takes_no_memory_without_end() -> None:
    before = dropped()
    gate = Gate()
    async with sending(gate) as (server, broadcaster):
        broadcaster.send("s1", "m1", 1, 0, "x")
        await until(lambda: server.requests, "the request")
        for number in range(100):
            broadcaster.send("s1", "m1", 1, 1 + number * 1000, "y" * 1000)
        gate.open()
        await until(lambda: len(server.requests) == 2, "the next request")

    [last] = payloads_of(server.requests[1])
    assert len(last["text"]) <= broadcast.MOST_WAITING + 1000
    assert last["offset"] + len(last["text"]) == 1 + 100 * 1000
    assert dropped() - before == 1
