"""A project that nobody is connected to gets cold, and broadcasts are lost until it is warm again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.waiting import until
from worker.local.realtime.cold_start import ColdStart
from worker.local.realtime.pgoutput import Change, Relation
from worker.local.realtime.settings import Settings


def settings(**more: Any) -> Settings:
    return Settings(database_url="", jwt_secret="", publishable_key="", secret_key="", **more)


def committed(at: datetime) -> Change:
    return Change("INSERT", Relation(1, "realtime", "messages_2026_11_27", ()), at, {}, None)


async def until_cold(cold_start: ColdStart) -> None:
    await until(lambda: not cold_start.delivers(committed(datetime.max.replace(tzinfo=UTC))), "the cold")


async def test_without_a_delay_it_is_never_cold() -> None:
    assert ColdStart(settings()).delivers(committed(datetime.now(UTC) - timedelta(days=1)))


async def test_only_what_is_committed_while_replication_runs_is_delivered() -> None:
    cold_start = ColdStart(settings(replication_start_ms=10))
    before = datetime.now(UTC)
    assert not cold_start.delivers(committed(before))
    cold_start.joined()
    await cold_start.wait()
    assert not cold_start.delivers(committed(before))
    assert cold_start.delivers(committed(datetime.now(UTC)))


async def test_a_project_that_all_have_left_gets_cold_and_the_next_join_warms_it() -> None:
    cold_start = ColdStart(settings(replication_start_ms=10, cold_after_ms=10))
    cold_start.joined()
    await cold_start.wait()
    cold_start.all_left()
    await until_cold(cold_start)
    cold_start.joined()
    await cold_start.wait()
    assert cold_start.delivers(committed(datetime.now(UTC)))


async def test_whoever_comes_back_in_time_keeps_it_warm() -> None:
    cold_start = ColdStart(settings(replication_start_ms=10, cold_after_ms=3_600_000))
    cold_start.joined()
    await cold_start.wait()
    cold_start.all_left()
    cold_start.joined()
    assert cold_start.delivers(committed(datetime.now(UTC)))
