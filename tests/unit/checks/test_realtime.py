"""When a wake-up that did not arrive is a problem, and when the project was only cold."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.scripted_model import Exchange, ScriptedModel
from worker.checks import realtime

COLD = "The project was cold: nobody had been connected, and Realtime had to begin to read the database."
ARRIVED = "A wake-up from the database arrived."


class FakeEar(SimpleNamespace):
    """Hears or not, one wake-up after the other."""

    async def hears(self) -> bool:
        return bool(self.heard.pop(0))

    async def flows(self) -> bool:
        return bool(self.begins)

    def listen(self) -> None:
        self.listened = True


@pytest.mark.parametrize(
    ("heard", "begins", "asked", "levels", "words"),
    [
        pytest.param([True], False, 0, ["ok"], [ARRIVED], id="it is heard at once"),
        pytest.param([False, True], True, 1, ["ok", "ok"], [COLD, ARRIVED], id="lost, before Realtime was reading"),
        pytest.param([False, False], True, 1, ["problem"], ["did not arrive within 5 s"], id="lost after that, too"),
        pytest.param([False], False, 0, ["problem"], ["did not begin to read the database"], id="it never reads"),
    ],
)
async def test_what_the_silence_means(
    heard: list[bool], begins: bool, asked: int, levels: list[str], words: list[str]
) -> None:
    ear: Any = FakeEar(heard=heard, begins=begins, listened=False)
    asks = []

    async def ask() -> None:
        assert ear.listened, "what came before would count"
        asks.append(1)

    found = await realtime.hear_the_database(ear, ask)

    assert [finding.level for finding in found] == levels
    assert all(part in finding.words for part, finding in zip(words, found, strict=True))
    assert len(asks) == asked


@pytest.mark.parametrize(
    ("subscribed", "reason", "level", "words"),
    [
        (True, "", "ok", "Realtime is reached"),
        (False, "", "problem", "Realtime cannot be subscribed to."),
        (False, "Unauthorized", "problem", "Realtime cannot be subscribed to (Unauthorized)."),
    ],
)
def test_whether_it_is_subscribed(subscribed: bool, reason: str, level: str, words: str) -> None:
    ear: Any = SimpleNamespace(subscribed=subscribed, refused_with=reason)
    finding = realtime.judge(ear)
    assert finding.level == level
    assert words in finding.words


@pytest.mark.parametrize(
    ("status", "hears", "level", "words"),
    [
        pytest.param(202, True, "ok", "A broadcast like the worker's arrived.", id="it is heard"),
        pytest.param(202, False, "problem", "did not arrive within 5 s", id="it is taken and lost"),
        pytest.param(401, True, "problem", "Realtime refuses broadcasts (status 401)", id="it is refused"),
    ],
)
async def test_what_the_worker_says(status: int, hears: bool, level: str, words: str) -> None:
    ear: Any = FakeEar(heard=[hears], listened=False)

    async def answer(exchange: Exchange) -> None:
        assert ear.listened, "what came before would count"
        await exchange.answer(status, {})

    async with ScriptedModel(answer) as server:
        finding = await realtime.hear_the_worker(ear, server.url, "sb_secret_x")

    assert finding.level == level
    assert words in finding.words
