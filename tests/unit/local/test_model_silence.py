"""The offline model is slow, or silent for longer than the client waits."""

import pytest

from tests.support.offline_model import OfflineModel, the_answer
from worker.errors import TimedOut

IDLE = 0.5


@pytest.fixture
def idle_seconds() -> float:
    return IDLE


@pytest.mark.parametrize("after", [None, 0, 3])
async def test_stalls(offline_model: OfflineModel, after: int | None) -> None:
    await offline_model.add(fault="stall", after=after)

    heard = await offline_model.ask()

    assert isinstance(heard.error, TimedOut)
    assert len(heard.pieces) == (after or 0)
    [call] = await offline_model.logged()
    assert (call["outcome"], call["fault"], call["pieces"]) == ("aborted", "stall", after or 0)


@pytest.mark.parametrize("after", [None, 0, 3])
async def test_a_stall_that_ends_in_time_does_no_harm(offline_model: OfflineModel, after: int | None) -> None:
    await offline_model.add(fault="stall", after=after, seconds=IDLE / 5)

    slow, usual = await offline_model.ask(), await offline_model.ask()

    assert (slow.error, slow.text) == (None, usual.text)
    assert [call["outcome"] for call in await offline_model.logged(2)] == ["completed"] * 2


async def test_another_pace_is_the_same_answer(offline_model: OfflineModel) -> None:
    usual = await offline_model.ask()
    await offline_model.add(fault="slow", pace_ms=40)

    slow = await offline_model.ask()

    assert (slow.error, slow.pieces) == (None, usual.pieces)
    assert slow.stream.latency_ms >= 40 * len(slow.pieces)


@pytest.mark.parametrize(
    ("manner", "outcome"), [("reset", "reset"), ("close", "closed"), ("junk", "completed"), ("silence", "aborted")]
)
async def test_what_comes_after_the_end_costs_no_answer(
    offline_model: OfflineModel, manner: str, outcome: str
) -> None:
    whole = await the_answer(offline_model)
    await offline_model.add(fault="after_the_end", manner=manner)

    heard = await offline_model.ask()

    assert (heard.text, heard.stream.finish_reason, heard.error) == (whole, "stop", None)
    [_, call] = await offline_model.logged(2)
    assert (call["outcome"], call["fault"]) == (outcome, "after_the_end")
