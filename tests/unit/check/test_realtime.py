"""When a wake-up that did not arrive is a problem, and when the project was only cold."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.server import serve

from tests.support.fake_realtime import Realtime, settings_of
from tests.support.scripted_model import Exchange, ScriptedModel
from worker.check import realtime
from worker.check.findings import Finding

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


class Project(Realtime):
    """Joins are answered at once. What its database sends is lost until it is read, or for good."""

    def __init__(self, loses: bool = False) -> None:
        super().__init__()
        self.says_that_it_reads = False
        self.reads = False
        self._loses = loses

    async def begin_to_read(self) -> None:
        self.reads = True
        await self.say_that_it_reads()

    async def send(self) -> None:
        if self.reads and not self._loses:
            await self.wake_up()


@pytest.fixture
async def project(request: pytest.FixtureRequest) -> AsyncIterator[Project]:
    made = Project(**getattr(request, "param", {}))
    async with serve(made.handle, "127.0.0.1", 0) as server:
        made.port = next(iter(server.sockets)).getsockname()[1]
        yield made


async def hear(project: Project, ask: Any, begins: str = "while that is waited for") -> list[Finding]:
    """What is found with a real subscription; when the project begins to read its database."""
    async with realtime.Ear(settings_of(project.port)) as ear:
        assert ear.subscribed
        ear.listen()
        await project.send()
        if begins == "at once":
            await project.begin_to_read()
            assert await ear.flows()
        checking = asyncio.create_task(realtime.hear_the_database(ear, ask))
        for _ in range(100):  # turns of the loop: whatever waits for nothing from outside is over by then
            await asyncio.sleep(0)
        if begins == "while that is waited for":
            await project.begin_to_read()
        return await checking


async def test_a_cold_project_is_waited_for_and_asked_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "HEAR_SECONDS", 0.0)
    asks = 0

    async def ask() -> None:
        nonlocal asks
        asks += 1
        assert project.reads, "it was asked before it could be heard"
        monkeypatch.setattr(realtime, "HEAR_SECONDS", 10.0)
        await project.send()

    found = await hear(project, ask)

    assert [(finding.level, finding.words) for finding in found] == [("ok", COLD), ("ok", ARRIVED)]
    assert asks == 1


@pytest.mark.parametrize("begins", ["at once", "while that is waited for"])
@pytest.mark.parametrize("project", [{"loses": True}], indirect=True)
async def test_neither_a_join_nor_the_word_that_it_reads_is_a_wake_up(
    project: Project, monkeypatch: pytest.MonkeyPatch, begins: str
) -> None:
    monkeypatch.setattr(realtime, "HEAR_SECONDS", 0.0)

    [finding] = await hear(project, project.send, begins)

    assert finding.level == "problem"
    assert "A wake-up from the database did not arrive" in finding.words


async def test_a_project_that_never_reads_its_database_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "HEAR_SECONDS", 0.0)
    monkeypatch.setattr(realtime, "FLOW_SECONDS", 0.0)

    [finding] = await hear(project, project.send, begins="never")

    assert finding.level == "problem"
    assert "did not begin to read the database" in finding.words


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
