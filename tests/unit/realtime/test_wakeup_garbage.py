"""Whatever Realtime sends, in any form: the worker hears a wake-up afterwards, over this subscription or the next.

By hand: GARBAGE_EXAMPLES=2000, and GARBAGE_SEED=1 for others than here.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from worker.config import WorkerSettings
from worker.realtime import subscription, wakeup
from worker.realtime.wakeup import WakeUp

EXAMPLES = int(os.environ.get("GARBAGE_EXAMPLES", "100"))
SEED = os.environ.get("GARBAGE_SEED")
LONGEST_SECONDS = 30.0  # a machine that stands still is no finding; deafness without an end is
TOPIC = "realtime:chat:worker"

# realtime-py reads a property that websockets has deprecated; as an error, that would end its listening.
pytestmark = pytest.mark.filterwarnings("ignore:ConnectionClosed:DeprecationWarning")

Frame = str | bytes
End = Literal["keep", "close", "cut"]


class Realtime:
    """Joins whoever asks, with the frames that it is told to send in front, in place of the answer, or after it."""

    def __init__(self) -> None:
        self.before_the_join: list[Frame] = []
        self.answers_join = True
        self.joined: set[ServerConnection] = set()

    async def handle(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed, ValueError):
            async for frame in connection:
                await self._take(connection, json.loads(frame))
        self.joined.discard(connection)

    async def _take(self, connection: ServerConnection, message: dict[str, Any]) -> None:
        if message["event"] != "phx_join":
            return
        odd, self.before_the_join = self.before_the_join, []
        for frame in odd:
            await connection.send(frame)
        answers, self.answers_join = self.answers_join, True
        if not answers:
            await connection.close()
            return
        ok = {"status": "ok", "response": {}}
        await connection.send(frame_of("phx_reply", ok, ref=message["ref"], topic=message["topic"]))
        self.joined.add(connection)

    async def send(self, frames: list[Frame], end: End) -> None:
        for connection in list(self.joined):
            with contextlib.suppress(ConnectionClosed):
                for frame in frames:
                    await connection.send(frame)
                if end == "close":
                    await connection.close(1011)
            if end == "cut":
                connection.transport.abort()

    async def wake_up(self) -> None:
        await self.send([frame_of("broadcast", {"event": "wake_up", "type": "broadcast", "payload": {}})], "keep")


def frame_of(event: Any, payload: Any, ref: Any = None, topic: Any = TOPIC, **more: Any) -> str:
    return json.dumps({"topic": topic, "event": event, "payload": payload, "ref": ref, **more})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
EVENTS = ["phx_reply", "phx_error", "phx_close", "broadcast", "system", "presence_state", "presence_diff"]
EVENTS += ["postgres_changes", "access_token", "heartbeat", "wake_up"]
statuses = st.sampled_from(["ok", "error", "timeout", 7, None])
payloads = values | st.fixed_dictionaries(
    {},
    optional={
        "status": statuses,
        "response": values | st.just({"reason": "ChannelRateLimitReached: Too many channels"}),
        "event": st.sampled_from(["wake_up", 1, None]),
        "type": st.sampled_from(["broadcast", "presence", 0]),
        "payload": values,
        "extension": st.sampled_from(["system", "postgres_changes", "broadcast", []]),
        "message": values,
        "channel": values,
    },
)
likely = st.builds(
    frame_of,
    st.sampled_from(EVENTS) | values,
    payloads,
    st.none() | st.sampled_from(["1", "2", "3", 1]),
    st.sampled_from([TOPIC, "phoenix", "realtime:chat:other", None, 5]),
)
shapes = st.sampled_from(["[]", "null", "{}", "[1,2,3,4,5,6]", "{", "", "\x00", '{"topic":1}', "[" * 3_000])
frames = likely | shapes | st.text(max_size=40) | st.binary(max_size=40) | st.just("x" * (1_100_000))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "BACKOFF_SECONDS", (0.01,))
    monkeypatch.setattr(subscription, "WATCH_SECONDS", 0.01)


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[Realtime, WakeUp, asyncio.Task[None]]]:
    realtime = Realtime()
    async with serve(realtime.handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        made = WakeUp(WorkerSettings(_env_file=None, supabase_url=url, supabase_secret_key="k", gemini_api_key="k"))
        running = asyncio.create_task(made.run())
        try:
            yield realtime, made, running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def hears(realtime: Realtime, made: WakeUp) -> None:
    async with asyncio.timeout(LONGEST_SECONDS):
        while True:
            made.take()
            made.heard_at = None
            await realtime.wake_up()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(made.event.wait(), 0.05)
            if made.heard_at is not None and made.subscribed:
                return


def test_whatever_is_sent_a_wake_up_is_heard_after_it() -> None:
    ends = set[tuple[str, bool]]()

    async def one(
        realtime: Realtime,
        made: WakeUp,
        running: asyncio.Task[None],
        at_join: list[Frame],
        sent: list[Frame],
        end: End,
    ) -> None:
        realtime.before_the_join = at_join
        realtime.answers_join = end != "cut" or not at_join
        await realtime.send(sent, end)
        await hears(realtime, made)
        assert not running.done()
        ends.add((end, bool(at_join)))

    with asyncio.Runner() as runner, capture_logs():
        context = listening()
        realtime, made, running = runner.run(context.__aenter__())

        @seed(SEED)
        @settings(
            derandomize=SEED is None, max_examples=EXAMPLES, deadline=None, database=None,
            phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(
            at_join=st.lists(frames, max_size=3),
            sent=st.lists(frames, max_size=4),
            end=st.sampled_from(["keep", "keep", "close", "cut"]),
        )
        def play(at_join: list[Frame], sent: list[Frame], end: End) -> None:
            runner.run(one(realtime, made, running, at_join, sent, end))

        try:
            play()
        finally:
            runner.run(context.__aexit__(None, None, None))

    assert ends == {(end, at_join) for end in ("keep", "close", "cut") for at_join in (True, False)}
