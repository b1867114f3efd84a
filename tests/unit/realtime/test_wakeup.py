"""Wake-ups: heard, missed, and never taken for granted. Realtime is a small server of the test's own."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from prometheus_client import generate_latest
from realtime import AsyncRealtimeClient
from structlog.testing import capture_logs
from websockets.asyncio.server import serve

from tests.support.fake_realtime import Realtime, settings_of
from tests.support.waiting import until
from worker.realtime import subscription, wakeup
from worker.realtime.wakeup import MOST_MISSED, WakeUp
from worker.telemetry import metrics

LONG = 3600.0


@pytest.fixture
async def realtime() -> AsyncIterator[Realtime]:
    made = Realtime()
    async with serve(made.handle, "127.0.0.1", 0) as server:
        made.port = next(iter(server.sockets)).getsockname()[1]
        yield made


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "BACKOFF_SECONDS", (0.01,))
    monkeypatch.setattr(subscription, "WATCH_SECONDS", 0.01)


@contextlib.asynccontextmanager
async def listening(realtime: Realtime) -> AsyncIterator[WakeUp]:
    made = WakeUp(settings_of(realtime.port))
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def figure(name: str) -> float:
    [line] = [line for line in generate_latest(metrics.REGISTRY).decode().splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def heard(log: list[Any], action: str) -> list[Any]:
    return [each for each in log if each["action"] == action]


async def test_a_wake_up_is_heard(realtime: Realtime) -> None:
    async with listening(realtime) as made:
        await until(lambda: made.state == "well", "the subscription")
        made.take()
        await realtime.wake_up()
        await asyncio.wait_for(made.event.wait(), 5)

        assert made.heard_at is not None
        assert figure("postbro_wakeups_arrive") == figure("postbro_wakeup_subscribed") == 1


async def test_heartbeats_that_nobody_answers_end_the_subscription(
    realtime: Realtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket stands, and everything that comes down is swallowed: nothing else would ever tell."""
    monkeypatch.setattr(subscription, "SILENT_SECONDS", 0.2)
    realtime.answers_heartbeats = False
    with capture_logs() as log:
        async with listening(realtime) as made:
            await until(lambda: len(realtime.joins) >= 2, "another subscription")
            assert heard(log, "wakeup_silent")
            assert heard(log, "wakeup_lost")
            await until(lambda: not made.subscribed, "the loss of that one, too")
            assert figure("postbro_wakeups_arrive") == figure("postbro_wakeup_subscribed") == 0


async def test_an_answered_heartbeat_counts(realtime: Realtime) -> None:
    """The client itself looks at no answer, and hands on what is of a topic that it knows."""
    client = AsyncRealtimeClient(
        f"http://127.0.0.1:{realtime.port}/realtime/v1", token="unused", auto_reconnect=False
    )
    heart = subscription._Heart(client)
    heart._beaten_at -= LONG
    await client.connect()
    try:
        await until(lambda: heart.silent_seconds < LONG, "the answer")
    finally:
        await client.close()


def test_it_is_noticed_within_two_heartbeats() -> None:
    assert subscription.SILENT_SECONDS <= 2 * subscription.HEARTBEAT_SECONDS
    assert subscription.HEARTBEAT_SECONDS <= 25


async def test_a_joined_channel_is_not_relied_on_until_realtime_reads_the_database(realtime: Realtime) -> None:
    """After a long rest joins are answered first; what the database sends until then is lost, so somebody looks."""
    realtime.says_that_it_reads = False
    async with listening(realtime) as made:
        await until(lambda: made.subscribed, "the join")
        assert realtime.joins[0]["config"]["broadcast"]["replication_ready"] is True
        assert (made.state, figure("postbro_wakeups_arrive")) == ("starting", 0)
        made.take()

        await realtime.say_that_it_reads()
        await asyncio.wait_for(made.event.wait(), 5)
        assert made.state == "well"


async def test_a_wake_up_is_as_good_as_its_word(realtime: Realtime) -> None:
    """An older server does not know the question, and never answers it."""
    realtime.says_that_it_reads = False
    async with listening(realtime) as made:
        await until(lambda: made.subscribed, "the join")
        await realtime.wake_up()
        await until(lambda: made.state == "well", "the state")


async def test_a_server_that_never_says_so_is_relied_on_after_a_while(
    realtime: Realtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "REPLICATION_SECONDS", 0.05)
    realtime.says_that_it_reads = False
    async with listening(realtime) as made:
        await until(lambda: made.state == "well", "the state")


async def test_questions_that_no_wake_up_told_of_make_it_subscribe_anew(realtime: Realtime) -> None:
    """Its socket stands, heartbeats are answered, and what the database sends reaches nobody."""
    with capture_logs() as log:
        async with listening(realtime) as made:
            await until(lambda: made.state == "well", "the subscription")
            made._relied_on_since -= LONG
            before = figure("postbro_wakeups_missed_total")
            for _ in range(MOST_MISSED):
                made.found(time.monotonic(), 5.0)
            assert made.state == "unreliable"
            assert figure("postbro_wakeups_missed_total") == before + MOST_MISSED
            assert figure("postbro_wakeups_arrive") == 0
            await until(lambda: len(realtime.joins) == 2, "another subscription")
            assert heard(log, "wakeup_missed")

            await until(lambda: made.subscribed, "the join")
            assert made.state == "unreliable", "that it is subscribed again proves nothing"
            await realtime.wake_up()
            await until(lambda: made.state == "well", "the state")


def relied_on() -> WakeUp:
    made = WakeUp(settings_of())
    made.joined()
    made.flow()
    made._relied_on_since -= LONG
    return made


def test_one_that_is_late_is_not_missed() -> None:
    made = relied_on()
    made.found(time.monotonic(), 5.0)
    made.hear()
    made.found(time.monotonic(), 5.0)

    assert made.state == "well"


@pytest.mark.parametrize(
    ("before", "waited"),
    [
        pytest.param(lambda made: None, 0.5, id="found before its wake-up could be here"),
        pytest.param(lambda made: made.hear(), 5.0, id="a wake-up has told of it, and there was no room"),
        pytest.param(lambda made: None, LONG + 5, id="it became due while nobody was subscribed"),
        pytest.param(lambda made: setattr(made, "flows", False), 5.0, id="Realtime was not reading yet"),
    ],
)
def test_what_says_nothing_of_wake_ups(before: Callable[[WakeUp], None], waited: float) -> None:
    made = relied_on()
    before(made)
    for _ in range(MOST_MISSED):
        made.found(time.monotonic(), waited)

    assert made.missed == 0


def test_where_nothing_is_ever_sent_it_is_not_rebuilt_at_every_question() -> None:
    made = relied_on()
    rebuilt = 0
    for _ in range(100):
        made.found(time.monotonic(), 5.0)
        rebuilt += made._ended.is_set()
        made._ended.clear()

    assert rebuilt == 6, "after 2, 4, 8, 16, 32 and 64"


async def test_after_a_failure_not_all_workers_come_back_in_the_same_moment(
    realtime: Realtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real_sleep(0.001)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(wakeup, "BACKOFF_SECONDS", (1.0, 2.0, 5.0))

    async def fail(*_: Any) -> None:
        raise OSError

    monkeypatch.setattr(wakeup, "listen", fail)
    running = asyncio.create_task(WakeUp(settings_of()).run())
    while len(pauses) < 12:
        await real_sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    later = pauses[2:]
    assert len(set(later)) == len(later), "no two of them are alike"
    assert all(2.5 <= pause <= 7.5 for pause in later)
