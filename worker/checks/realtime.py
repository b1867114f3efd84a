"""Realtime, by the worker's own subscription: whether it hears what the database and the worker say there."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

import httpx

from worker.checks.findings import Finding
from worker.config import WorkerSettings
from worker.subscription import TOPIC
from worker.wakeup import WakeUp

SUBSCRIBE_SECONDS = 10.0
HEAR_SECONDS = 5.0
WITHOUT = "Without it answers come late and do not stream."


class Ear:
    """A worker's subscription to wake-ups, for the length of a block."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._wakeup = WakeUp(settings)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._wakeup.run(), name="ear")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SUBSCRIBE_SECONDS):
                while not self._wakeup.subscribed:
                    self._wakeup.event.clear()
                    await self._wakeup.event.wait()
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

    def listen(self) -> None:
        """What comes from now on counts."""
        self._wakeup.event.clear()

    async def heard(self, what: str, remedy: str) -> Finding:
        """Whether anything has come since `listen`, or comes shortly."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEAR_SECONDS):
                await self._wakeup.event.wait()
        # The loss of a subscription sets the event, too.
        if self._wakeup.event.is_set() and self.subscribed:
            return Finding("ok", "realtime", f"{what} arrived.")
        words = f"{what} did not arrive within {HEAR_SECONDS:g} s. {WITHOUT}"
        return Finding("problem", "realtime", words, remedy)


def judge(ear: Ear) -> Finding:
    if ear.subscribed:
        return Finding("ok", "realtime", "Realtime is reached, and the secret key may listen for wake-ups.")
    words = f"Realtime cannot be subscribed to. {WITHOUT}"
    remedy = "Is Realtime on, and are private channels allowed, in the project's settings?"
    return Finding("problem", "realtime", words, remedy)


async def speak(url: str, secret: str) -> Finding | None:
    """One wake-up without content, sent as the worker sends its deltas. A finding if it was refused."""
    message = {"topic": TOPIC, "event": "wake_up", "payload": {}, "private": True}
    try:
        async with httpx.AsyncClient(timeout=HEAR_SECONDS) as client:
            answer = await client.post(
                f"{url.rstrip('/')}/realtime/v1/api/broadcast",
                json={"messages": [message]},
                headers={"apikey": secret, "authorization": f"Bearer {secret}"},
            )
    except httpx.HTTPError as error:
        words = f"Realtime takes no broadcasts ({type(error).__name__}): answers do not stream."
        return Finding("problem", "realtime", words, "Is Realtime up?")
    if answer.is_success:
        return None  # taken; whether it arrives is for the ear to say
    words = f"Realtime refuses broadcasts (status {answer.status_code}): answers do not stream."
    return Finding("problem", "realtime", words, "Is the secret key of this project?")
