"""Erasing, repeated until nothing is left."""

from typing import Any

from worker.telemetry import metrics
from worker.upkeep.erasing import Eraser


class FakeReplies:
    def __init__(self, *answers: tuple[int, int]) -> None:
        self.answers = list(answers)

    async def erase_broadcasts(self) -> tuple[int, int]:
        return self.answers.pop(0)


async def test_it_goes_on_until_nothing_is_left() -> None:
    replies: Any = FakeReplies((500, 300), (300, 0), (0, 0))
    await Eraser(replies).step()
    assert replies.answers == [(0, 0)]


async def test_what_another_worker_is_at_is_left_to_it() -> None:
    replies: Any = FakeReplies((0, 7), (0, 0))
    await Eraser(replies).step()
    assert replies.answers == [(0, 0)]
    assert metrics.ERASURES_WAITING._value.get() == 7
