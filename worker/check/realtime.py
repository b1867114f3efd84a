"""Whether broadcasts of the database and of the worker arrive at a subscription like the worker's."""

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
"""If no client was connected, Realtime starts to read the database within a minute, or closes the channel."""
WITHOUT = "Without it answers come late and do not stream."
DATABASE_SPEAKS = "What does the project's Realtime log say about broadcasts from the database?"
WORKER_SPEAKS = "What does the project's Realtime log say about broadcasts?"


class Ear:
    """A subscription to wake-ups, like a worker's, for the length of a `with` block."""

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
        """Forget earlier wake-ups: only later ones count."""
        self._wakeup.take()

    async def hears(self) -> bool:
        """Whether a wake-up has arrived since `listen`, or arrives within HEAR_SECONDS."""
        return await self._until(lambda: self._wakeup.heard_at is not None, HEAR_SECONDS)

    async def flows(self) -> bool:
        """Whether Realtime has reported that it reads the database, or does so within FLOW_SECONDS."""
        return await self._until(lambda: self._wakeup.flows, FLOW_SECONDS)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for the condition. Each change of state sets the event."""
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
    """The caller has already made the database send one wake-up; `ask` makes it send another.

    A cold project loses broadcasts that are sent before Realtime starts to read the database, which is not a fault.
    So if the first one does not arrive, this waits until Realtime reads, and only a second loss is a problem.
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
    """Send a wake-up over HTTP, as the worker sends its deltas. Returns a finding if it was refused."""
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
        return None  # accepted; the caller checks whether it arrives
    words = f"Realtime refuses broadcasts (status {answer.status_code}): answers do not stream."
    return Finding("problem", "realtime", words, "Is the secret key of this project?")
