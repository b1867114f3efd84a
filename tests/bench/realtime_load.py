"""Many sockets, each in a private channel of its own, and broadcasts from the database at a steady pace.

python -m tests.bench.realtime_load

Reports how long a broadcast takes from its commit to the socket. Fails if one is lost or comes to a wrong
socket, or if the stand-in's memory grows.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from uuid import uuid4

import jwt
import psycopg

from tests.support.peer import Frame, Peer, socket_url
from tests.support.waiting import until
from worker.local.settings import Ports
from worker.local.stack import Stack

LIMITS = {
    "REALTIME_MAX_EVENTS_PER_SECOND": "100000",
    "REALTIME_MAX_JOINS_PER_SECOND": "100000",
    "REALTIME_MAX_CONCURRENT_USERS": "100000",
}
POLICY = """
create policy "Everybody hears a channel of their own" on realtime.messages
  for select to authenticated using (topic = 'load:' || auth.uid()::text)
"""
# The clock is read just before the commit, and the machine has but one.
SEND = """
select realtime.send(
  jsonb_build_object('id', %s::int, 'at', extract(epoch from clock_timestamp())), 'load', 'load:' || %s, true)
"""
GROWTH = 4 * 1024  # kB between the second and the last quarter of the time
LAST_WORD = 5.0  # seconds for the last broadcasts to arrive


class Listener(Peer):
    """One user in one channel. Keeps of each broadcast only its number and the time it took, in milliseconds."""

    def __init__(self, url: str, user: str) -> None:
        super().__init__(url)
        self.user = user
        self.numbers: Counter[int] = Counter()
        self.taken: list[float] = []

    def hear(self, frame: Frame) -> None:
        if not frame.is_binary:
            return super().hear(frame)
        message = json.loads(frame.payload["payload"])
        self.numbers[message["id"]] += 1
        self.taken.append((time.time() - message["at"]) * 1000)


def memory(pid: int) -> int:
    """kB that the process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


async def listen(stack: Stack, sockets: AsyncExitStack) -> Listener:
    user = str(uuid4())
    claims = {"role": "authenticated", "sub": user, "exp": int(time.time()) + 3600}
    token = jwt.encode(claims, stack.environment["SUPABASE_JWT_SECRET"])
    key = stack.environment["SUPABASE_PUBLISHABLE_KEY"]
    url = socket_url(stack.environment["SUPABASE_URL"], apikey=key, vsn="2.0.0")
    listener = await sockets.enter_async_context(Listener(url, user))
    await listener.joined(f"realtime:load:{user}", {"private": True}, token)
    return listener


async def beat(listeners: list[Listener]) -> None:
    while True:
        for listener in listeners:
            await listener.push("phoenix", "heartbeat", {}, join_ref=None)
            await asyncio.sleep(25 / len(listeners))


async def run(stack: Stack, sockets: int, per_second: int, seconds: int) -> bool:
    """Whether all was well."""
    url, pid = stack.environment["DATABASE_URL"], stack.realtime.pid
    assert pid is not None
    sent: dict[int, str] = {}
    sizes: list[int] = []
    async with AsyncExitStack() as opened, await psycopg.AsyncConnection.connect(url, autocommit=True) as database:
        await database.execute(POLICY)
        listeners = [await listen(stack, opened) for _ in range(sockets)]
        print(f"{sockets} sockets have joined; {per_second} broadcasts a second for {seconds} s")
        beating = asyncio.create_task(beat(listeners))
        began = time.monotonic()
        for number in range(per_second * seconds):
            await asyncio.sleep(began + number / per_second - time.monotonic())
            user = listeners[number % sockets].user
            sent[number] = user
            await database.execute(SEND, [number, user])
            if number % per_second == 0:
                sizes.append(memory(pid))
        with suppress(AssertionError):
            await until(lambda: sum(len(each.taken) for each in listeners) >= len(sent), "the rest", LAST_WORD)
        beating.cancel()
    return report(sent, listeners, sizes)


def report(sent: dict[int, str], listeners: list[Listener], sizes: list[int]) -> bool:
    right = sum(sent[number] == each.user for each in listeners for number in each.numbers)
    crossed = sum(sent[number] != each.user for each in listeners for number in each.numbers)
    twice = sum(count - 1 for each in listeners for count in each.numbers.values())
    lost = len(sent) - right
    taken = sorted(milliseconds for each in listeners for milliseconds in each.taken)
    quarter = max(1, len(sizes) // 4)
    growth = statistics.mean(sizes[-quarter:]) - statistics.mean(sizes[quarter : 2 * quarter] or sizes[:1])
    print(f"{len(sent)} sent, {lost} lost, {crossed} to a wrong socket, {twice} heard twice")
    if taken:
        p50, p99 = (taken[int(len(taken) * share)] for share in (0.5, 0.99))
        print(f"commit to socket: p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {taken[-1]:.1f} ms")
    print(f"memory: {sizes[0] / 1024:.1f} MB at first, {sizes[-1] / 1024:.1f} MB at last, grew {growth:.0f} kB")
    return not (lost or crossed or twice) and growth < GROWTH


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--sockets", type=int, default=500)
    options.add_argument("--per-second", type=int, default=50)
    options.add_argument("--seconds", type=int, default=60)
    chosen = options.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(
            Path(directory),
            ports=Ports.free(),
            worker=False,
            web=False,
            model=False,
            durable=False,
            realtime_environment=LIMITS,
        ) as stack,
    ):
        well = asyncio.run(run(stack, chosen.sockets, chosen.per_second, chosen.seconds))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
