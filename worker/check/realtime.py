"""Realtime, by the worker's own subscription: whether what the database and the worker send arrives."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import httpx

from worker.check.findings import Finding
from worker.config import WorkerSettings
from worker.network import api_http
from worker.realtime.subscription import TOPIC
from worker.realtime.wakeup import WakeUp

SUBSCRIBE_SECONDS = 10.0
HEAR_SECONDS = 5.0
FLOW_SECONDS = 70.0
"""A project to which nobody was connected begins to read its database within a minute, or gives up."""
WITHOUT = "Without it answers come late and do not stream."
DATABASE_SPEAKS = "What does the project's Realtime log say about broadcasts from the database?"
WORKER_SPEAKS = "What does the project's Realtime log say about broadcasts?"


class Ear:
    """A worker's subscription to wake-ups, for the length of a block."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._wakeup = WakeUp(settings)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._wakeup.run(), name="ear")
        await self._until(lambda: self._wakeup.subscribed, SUBSCRIBE_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def subscribed(self) -> bool:
        return self._wakeup.subscribed

    @property
    def refused_with(self) -> str:
        return self._wakeup.refused_with

    def listen(self) -> None:
        """What comes from now on counts."""
        self._wakeup.take()

    async def hears(self) -> bool:
        """Whether a wake-up has come since `listen`, or comes shortly."""
        return await self._until(lambda: self._wakeup.heard_at is not None, HEAR_SECONDS)

    async def flows(self) -> bool:
        """Whether Realtime says that it reads the database, now or within the wait."""
        return await self._until(lambda: self._wakeup.flows, FLOW_SECONDS)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whatever changes sets the event."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self._wakeup.event.clear()
                    await self._wakeup.event.wait()
        return condition()


def judge(ear: Ear) -> Finding:
    if ear.subscribed:
        return Finding("ok", "realtime", "Realtime is reached, and the secret key may listen for wake-ups.")
    reason = f" ({ear.refused_with})" if ear.refused_with else ""
    words = f"Realtime cannot be subscribed to{reason}. {WITHOUT}"
    remedy = "Is Realtime on, and are private channels allowed, in the project's settings?"
    return Finding("problem", "realtime", words, remedy)


async def hear_the_database(ear: Ear, ask: Callable[[], Awaitable[object]]) -> list[Finding]:
    """A wake-up was asked for already. `ask` asks for another.

    What the database sends while Realtime has not begun to read it arrives nowhere, and that is no fault: nobody had
    been connected for a while. So a wake-up counts as lost only when it was sent after that.
    """
    arrived = Finding("ok", "realtime", "A wake-up from the database arrived.")
    if await ear.hears():
        return [arrived]
    if not await ear.flows():
        words = f"Realtime did not begin to read the database within {FLOW_SECONDS:g} s. {WITHOUT}"
        return [Finding("problem", "realtime", words, DATABASE_SPEAKS)]
    ear.listen()
    await ask()
    if await ear.hears():
        words = "The project was cold: nobody had been connected, and Realtime had to begin to read the database."
        return [Finding("ok", "realtime", words), arrived]
    words = f"A wake-up from the database did not arrive within {HEAR_SECONDS:g} s. {WITHOUT}"
    return [Finding("problem", "realtime", words, DATABASE_SPEAKS)]


async def hear_the_worker(ear: Ear, url: str, secret: str) -> Finding:
    ear.listen()
    if refused := await _speak(url, secret):
        return refused
    if await ear.hears():
        return Finding("ok", "realtime", "A broadcast like the worker's arrived.")
    words = f"A broadcast like the worker's did not arrive within {HEAR_SECONDS:g} s. {WITHOUT}"
    return Finding("problem", "realtime", words, WORKER_SPEAKS)


async def _speak(url: str, secret: str) -> Finding | None:
    """One wake-up without content, sent as the worker sends its deltas. A finding if it was refused."""
    message = {"topic": TOPIC, "event": "wake_up", "payload": {}, "private": True}
    try:
        async with httpx.AsyncClient(**api_http.options(HEAR_SECONDS)) as client, api_http.whole(HEAR_SECONDS):
            answer = await client.post(
                f"{url.rstrip('/')}/realtime/v1/api/broadcast",
                json={"messages": [message]},
                headers={"apikey": secret, "authorization": f"Bearer {secret}"},
            )
    except (httpx.HTTPError, TimeoutError) as error:
        words = f"Realtime takes no broadcasts ({type(error).__name__}): answers do not stream."
        return Finding("problem", "realtime", words, "Is Realtime up?")
    if answer.is_success:
        return None  # taken; whether it arrives is for the ear to say
    words = f"Realtime refuses broadcasts (status {answer.status_code}): answers do not stream."
    return Finding("problem", "realtime", words, "Is the secret key of this project?")
