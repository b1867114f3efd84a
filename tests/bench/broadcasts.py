"""Deltas that reach Realtime, by its round trip and the number of streams; and what a project is charged for them.

python -m tests.bench.broadcasts

Each stream says something every 20 ms, for some seconds, to a Realtime of the bench's own that answers after the
round trip. `Charged` are the messages of a second by the plan's count: each delta and each event of the database
sent once and heard once, while replies begin and end at the given rate.
"""

import asyncio
import time
from itertools import product

from tests.support.scripted_model import Exchange, ScriptedModel
from worker.config import WorkerSettings
from worker.realtime.broadcast import COST, EVENTS_OF_A_REPLY, Broadcaster

SECONDS = 5.0
PIECE_SECONDS = 0.02
ROUND_TRIPS = (0.0, 0.05, 0.1)
STREAMS = (10, 50)
PRO = 500.0
FREE = 100.0
DEFAULT = 80.0
REPLIES = (0.5, 1.0, 2.0, 4.0)  # that begin in a second


class Realtime:
    """Takes everything, after the round trip."""

    def __init__(self, round_trip: float) -> None:
        self._round_trip = round_trip
        self.deltas = 0

    async def __call__(self, exchange: Exchange) -> None:
        await asyncio.sleep(self._round_trip)
        self.deltas += len(exchange.request.body["messages"])
        await exchange.answer(202, {})


async def stream(broadcaster: Broadcaster, name: str, seconds: float) -> None:
    end, length = time.monotonic() + seconds, 0
    with broadcaster.answering(name):
        while time.monotonic() < end:
            broadcaster.send(name, name, 1, length, "word ")
            length += 5
            await asyncio.sleep(PIECE_SECONDS)
        await broadcaster.flush_last(name)


async def deltas_a_second(round_trip: float, per_second: float, streams: int) -> float:
    realtime = Realtime(round_trip)
    async with ScriptedModel(realtime) as server:
        broadcaster = make(server, per_second)
        sending = asyncio.create_task(broadcaster.run())
        await asyncio.gather(*(stream(broadcaster, f"s{n}", SECONDS) for n in range(streams)))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await broadcaster.close()
    return realtime.deltas / SECONDS


async def charged_a_second(replies: float) -> float:
    """Answers of two seconds each begin at this rate, after as many as the budget forgives at once."""
    realtime = Realtime(0.02)
    async with ScriptedModel(realtime) as server:
        broadcaster = make(server, DEFAULT)
        sending = asyncio.create_task(broadcaster.run())
        begun: list[asyncio.Task[None]] = []
        end = time.monotonic() + SECONDS * 3
        while time.monotonic() < end:
            begun.append(asyncio.create_task(stream(broadcaster, f"s{len(begun)}", 2.0)))
            await asyncio.sleep(1 / replies)
        sending.cancel()
        for task in begun:
            task.cancel()
        await asyncio.gather(sending, *begun, return_exceptions=True)
        await broadcaster.close()
    return COST * (realtime.deltas + EVENTS_OF_A_REPLY * len(begun)) / (SECONDS * 3)


def make(server: ScriptedModel, per_second: float) -> Broadcaster:
    settings = WorkerSettings(
        _env_file=None,
        supabase_url=server.url,
        supabase_secret_key="sb_secret_x",
        gemini_api_key="unused",
        realtime_messages_per_second=per_second,
    )
    return Broadcaster(settings)


async def main() -> None:
    print(f"REALTIME_MESSAGES_PER_SECOND={PRO:g}, so {PRO / COST:g} deltas a second at most")
    for round_trip, streams in product(ROUND_TRIPS, STREAMS):
        deltas = await deltas_a_second(round_trip, PRO, streams)
        print(f"round trip {round_trip * 1000:3.0f} ms, {streams} streams: {deltas:6.1f} deltas a second")
    print(f"REALTIME_MESSAGES_PER_SECOND={DEFAULT:g} (a Free project has {FREE:g})")
    for replies in REPLIES:
        print(f"{replies:3.1f} replies a second: {await charged_a_second(replies):6.1f} messages a second")


if __name__ == "__main__":
    asyncio.run(main())
