"""A runner under way, with fakes of the database, of the models and of the answers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from worker.answer import Answerer
from worker.claim import Claim
from worker.config import WorkerSettings
from worker.database.replies import Beaten, Claimed, Reconciled, Replies
from worker.lease import Lease
from worker.model.admission import Admission
from worker.realtime.wakeup import WakeUp
from worker.rows import Call, Reply
from worker.runner import Runner

BOUND = 5  # seconds; what takes as long has failed
LONG = 3600.0


class FakeReplies:
    """A queue of claims. Events tell the test what has happened; `on_claim` is run during each claim."""

    def __init__(self, *waiting: Claim) -> None:
        self.worker_id = "w1"
        self.waiting = list(waiting)
        self.asked: list[int] = []
        self.numbers: list[int] = []
        self.asked_at: list[float] = []
        self.changed = asyncio.Condition()
        self.on_claim: Callable[[], Awaitable[None]] | None = None
        self.next_due: float | None = None
        self.unreadable = 0
        self.refused: dict[str, int] = {}
        self.claim_error: Exception | None = None
        self.register_error: Exception | None = None
        self.beat_error: Exception | None = None
        self.release_error: Exception | None = None
        self.is_alive = self.is_known = True
        self.lost: list[Claim] = []
        self.beats: list[SimpleNamespace] = []
        self.drafts: list[list[str]] = []
        self.failed: list[tuple[str, str, float | None, Call]] = []
        self.freed, self.left = 1, [0]
        self.found: list[Reconciled] = []
        self.events: list[str] = []

    async def _note(self, event: str) -> None:
        self.events.append(event)
        async with self.changed:
            self.changed.notify_all()

    async def register(self, version: str, concurrency: int) -> int:
        await self._note("register")
        if self.register_error:
            raise self.register_error
        self.is_alive = True
        return 1

    def begin_anew(self) -> None:
        self.worker_id += "'"

    async def claim(self, number: int, max_replies: int) -> Claimed:
        self.asked.append(max_replies)
        self.numbers.append(number)
        self.asked_at.append(time.monotonic())
        taken = [self.waiting.pop(0) for _ in range(min(max_replies, len(self.waiting)))]
        unreadable, self.unreadable = self.unreadable, 0
        error = self.claim_error
        if self.on_claim:
            await self.on_claim()
        await self._note("claim")
        if error:
            raise error
        return Claimed(taken, self.next_due, self.is_known, self.refused, unreadable)

    async def beat(self, claims: list[Claim], claims_known: int, closed: float) -> Beaten:
        self.beats.append(SimpleNamespace(held=[claim.message_id for claim in claims], known=claims_known))
        await self._note("beat")
        if self.beat_error:
            raise self.beat_error
        lost = [claim for claim in claims if claim in self.lost]
        return Beaten(self.is_alive, 1, lost)

    async def save_drafts(self, claims: list[Claim]) -> None:
        self.drafts.append([claim.message_id for claim in claims])
        await self._note("drafts")

    async def fail(self, claim: Claim, error_code: str, retry_in: float | None, call: Call) -> bool:
        self.failed.append((claim.message_id, error_code, retry_in, call))
        await self._note("fail")
        return True

    async def reconcile(self, max_wait_seconds: float, every_seconds: float) -> Reconciled | None:
        await self._note("reconcile")
        return self.found.pop(0) if self.found else None

    async def release(self) -> tuple[int, int]:
        await self._note("release")
        if self.release_error:
            raise self.release_error
        return self.freed, self.left.pop(0) if len(self.left) > 1 else self.left[0]

    @property
    def released(self) -> int:
        return self.events.count("release")

    async def until(self, condition: Callable[[], object]) -> None:
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(condition), BOUND)

    async def until_asked(self, times: int) -> None:
        await self.until(lambda: len(self.asked) >= times)

    async def until_beaten(self, times: int = 1) -> None:
        """So many more beats."""
        wanted = len(self.beats) + times
        await self.until(lambda: len(self.beats) >= wanted)


class FakeAdmission:
    """So many calls may begin; and if none, one may in so many seconds."""

    def __init__(self, free: int = 1000, seconds: float = LONG) -> None:
        self.free, self.seconds = free, seconds

    def capacity(self, most: int) -> int:
        return min(most, self.free)

    def opens_in(self) -> float:
        return 0.0 if self.free else self.seconds

    def set_workers(self, number: int) -> None:
        pass


class FakeAnswerer:
    """Answers when allowed to. `begun`, `ended` and `cancelled` hold message ids."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.under_way = self.most_under_way = 0
        self.error: Exception | None = None
        self.changed = asyncio.Condition()

    async def answer(self, claim: Claim, lease: Lease) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self._note(self.begun, claim)
        try:
            await self.may_end.wait()
            if self.error:
                raise self.error
            self.ended.append(claim.message_id)
        except asyncio.CancelledError:
            self.cancelled.append(claim.message_id)
            raise
        finally:
            self.under_way -= 1
            async with self.changed:
                self.changed.notify_all()

    async def _note(self, notes: list[str], claim: Claim) -> None:
        notes.append(claim.message_id)
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], object]) -> None:
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(condition), BOUND)


def claim_of(name: str, waited: float = 0.0) -> Claim:
    return Claim(Reply(name, "s", "u", 1, 1, 4, "?", [], [], [], round(waited * 1000)), "w1", 1, 4)


def settings_of(**settings: Any) -> WorkerSettings:
    return WorkerSettings(
        _env_file=None,
        supabase_url="http://unused",
        supabase_secret_key="unused",
        gemini_api_key="unused",
        **{"sweep_seconds": LONG, "degraded_sweep_seconds": LONG, **settings},
    )


@dataclass
class Running:
    runner: Runner
    wakeup: WakeUp
    task: asyncio.Task[None]


def runner_of(
    settings: WorkerSettings,
    replies: FakeReplies,
    wakeup: WakeUp,
    answerer: FakeAnswerer,
    admission: FakeAdmission | None = None,
) -> Runner:
    admitting = cast(Admission, admission or FakeAdmission())
    return Runner(settings, cast(Replies, replies), wakeup, cast(Answerer, answerer), admitting)


@contextlib.asynccontextmanager
async def running(
    replies: FakeReplies,
    answerer: FakeAnswerer,
    subscribed: bool = True,
    admission: FakeAdmission | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """A runner under way, its wake-up, and its end."""
    worker_settings = settings_of(**settings)
    wakeup = WakeUp(worker_settings)
    wakeup.subscribed = wakeup.flows = subscribed
    runner = runner_of(worker_settings, replies, wakeup, answerer, admission)
    task = asyncio.create_task(runner.run())
    try:
        yield Running(runner, wakeup, task)
    finally:
        answerer.may_end.set()
        runner.stop()
        await asyncio.wait_for(task, BOUND)


async def turns(number: int = 100) -> None:
    """So many turns of the loop: what could happen at once has happened."""
    for _ in range(number):
        await asyncio.sleep(0)
