"""Work that is repeated: no error ends it, and each is told as what it is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from worker.errors import DatabaseAway, DatabaseRefused
from worker.telemetry import metrics
from worker.upkeep import tasks

BOUND = 5  # seconds; what takes as long has failed
Act = Callable[[], Awaitable[None]] | Exception | None


class Steps:
    """Each step does the next of what it is given: raises it, awaits it, or nothing. `dry` is set when it is over."""

    def __init__(self, *acts: Act) -> None:
        self.acts = list(acts)
        self.made = 0
        self.dry = asyncio.Event()

    async def __call__(self) -> None:
        self.made += 1
        if not self.acts:
            self.dry.set()
            return
        act = self.acts.pop(0)
        if isinstance(act, Exception):
            raise act
        if act is not None:
            await act()


@contextlib.asynccontextmanager
async def repeated(
    steps: Steps, bound: float | None = None, seconds: float = 0.0
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(tasks.repeat("tested", steps, seconds, bound))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def lines_of(steps: Steps, bound: float | None = None) -> list[tuple[str, str]]:
    """Action and reason, or kind of error, of what is logged until all acts are done."""
    with capture_logs() as lines:
        async with repeated(steps, bound) as task:
            await asyncio.wait_for(steps.dry.wait(), BOUND)
            assert not task.done()
    assert all(line["task"] == "tested" for line in lines)
    return [(line["action"], line.get("reason") or line["error"]) for line in lines]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "MOMENT_SECONDS", 0.001)


def errors_counted() -> float:
    return metrics.REGISTRY.get_sample_value("postbro_task_errors_total", {"task": "tested"}) or 0.0


@pytest.mark.parametrize("error", [ValueError("sentinel"), KeyError("sentinel"), RecursionError("sentinel")])
async def test_a_defect_is_told_by_its_kind_and_counted_and_the_work_goes_on(error: Exception) -> None:
    before = errors_counted()
    with capture_logs() as lines:
        steps = Steps(error, error)
        async with repeated(steps) as task:
            await asyncio.wait_for(steps.dry.wait(), BOUND)
            assert not task.done()

    assert errors_counted() == before + 2
    assert [(line["action"], line["error"]) for line in lines] == [("task_failed", type(error).__name__)] * 2
    assert "test_tasks.py" in lines[0]["where"]
    assert "sentinel" not in str(lines)


async def test_an_outage_is_told_once_until_it_is_over() -> None:
    before = errors_counted()
    first, second = DatabaseAway("beat: ConnectError"), DatabaseAway("beat: ReadTimeout")

    assert await lines_of(Steps(first, first, second, None, second, second)) == [
        ("api_away", "beat: ConnectError"),
        ("api_away", "beat: ReadTimeout"),
    ]
    assert errors_counted() == before


async def test_a_refusal_is_no_outage() -> None:
    away, refused = DatabaseAway("beat: ConnectError"), DatabaseRefused("beat: PGRST202", "PGRST202")

    assert await lines_of(Steps(away, refused, refused, None)) == [
        ("api_away", "beat: ConnectError"),
        ("task_refused", "beat: PGRST202"),
    ]


async def test_a_step_longer_than_its_bound_is_given_up() -> None:
    given_up = []

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.append(True)
            raise

    assert await lines_of(Steps(for_ever), bound=0.01) == [("api_away", "no answer in time")]
    assert given_up == [True]


async def test_between_two_steps_it_rests() -> None:
    steps = Steps()
    async with repeated(steps, seconds=3600.0):
        await asyncio.wait_for(steps.dry.wait(), BOUND)
        await asyncio.sleep(0.05)  # were it not resting, it would have made many by now
        assert steps.made == 1


@pytest.mark.parametrize(
    ("failures", "longest", "least", "most"),
    [(0, 8.0, 0.5, 0.5), (1, 8.0, 0.7, 1.0), (3, 8.0, 2.8, 4.0), (500, 8.0, 5.6, 8.0), (500, 0.0, 0.5, 0.5)],
)
def test_while_the_api_is_away_it_rests_longer_and_not_in_step(
    failures: int, longest: float, least: float, most: float
) -> None:
    pauses = {tasks._pause(0.5, longest, failures) for _ in range(50)}
    assert least <= min(pauses) <= max(pauses) <= most
    assert (len(pauses) > 1) is (least < most)


async def test_it_is_asked_less_and_less_while_it_fails_and_as_before_when_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[int] = []

    def pause(seconds: float, longest: float, failures: int) -> float:
        told.append(failures)
        return 0.0

    monkeypatch.setattr(tasks, "_pause", pause)
    away = DatabaseAway("beat: ConnectError")
    steps = Steps(away, away, away, None, away)
    async with repeated(steps):
        await asyncio.wait_for(steps.dry.wait(), BOUND)

    assert told[:5] == [1, 2, 3, 0, 1]


async def test_it_is_hurried_once_for_all_that_hurry_within_a_moment() -> None:
    begun, hurry = asyncio.Event(), asyncio.Event()

    async def begin() -> None:
        begun.set()

    steps = Steps(begin)
    task = asyncio.create_task(tasks.repeat("tested", steps, 3600.0, None, hurry))
    await asyncio.wait_for(begun.wait(), BOUND)
    hurry.set()
    await asyncio.wait_for(steps.dry.wait(), BOUND)
    assert steps.made == 2
    await asyncio.sleep(0.05)  # a flag that stays set would make it turn without a rest
    assert steps.made == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
