"""This worker's life in the database: what it may do while it holds, and what it knows of its claims."""

import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.clock import Clock
from worker import __version__, lease
from worker.config import WorkerSettings
from worker.database.replies import Beaten
from worker.errors import DatabaseAway, DatabaseRefused
from worker.lease import Lease
from worker.telemetry import logs, metrics

SETTINGS = WorkerSettings(
    _env_file=None,
    supabase_url="http://unused",
    supabase_secret_key="unused",
    gemini_api_key="unused",
    worker_concurrency=7,
    lease_seconds=15,
)


class FakeReplies:
    """A database that lets it live. `error` is raised instead; `beaten` is what a beat answers."""

    def __init__(self) -> None:
        self.worker_id = "w1"
        self.error: Exception | None = None
        self.beaten = Beaten(True, workers=3)
        self.calls: list[Any] = []
        self.takes = 0.0
        self.clock: Clock | None = None

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if self.clock is not None:
            self.clock.now += self.takes
        if self.error:
            raise self.error

    async def register(self, version: str, concurrency: int) -> int:
        self._called("register", self.worker_id, version, concurrency)
        return 2

    async def beat(self, claims: list[Any], claims_known: int, closed: float) -> Beaten:
        self._called("beat", self.worker_id, claims, claims_known, closed)
        return self.beaten

    def begin_anew(self) -> None:
        self.worker_id = "w2"


class FakeAdmission:
    def __init__(self) -> None:
        self.workers = 0

    def set_workers(self, number: int) -> None:
        self.workers = number

    def opens_in(self) -> float:
        return 12.5


class House:
    """A lease with all that is around it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.replies, self.admission = FakeReplies(), FakeAdmission()
        self.replies.clock = clock
        self.held: list[Any] = []
        self.given_up: list[Any] = []
        replies: Any = self.replies
        admission: Any = self.admission
        self.lease = Lease(SETTINGS, replies, admission, lambda: list(self.held), self.given_up.extend)

    @property
    def last_call(self) -> Any:
        return self.replies.calls[-1]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    clock = Clock()
    monkeypatch.setattr(lease, "now", clock)
    monkeypatch.setattr(logs, "_identity", {})
    return House(clock)


def test_its_clock_goes_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "clock_gettime", {time.CLOCK_BOOTTIME: 7.0}.__getitem__)
    assert lease.now() == 7.0


async def test_it_registers_before_anything_else(house: House) -> None:
    assert not house.lease.holds
    await house.lease.step()

    assert house.replies.calls == [("register", "w1", __version__, 7)]
    assert house.lease.holds
    assert house.lease.changed.is_set()
    assert house.admission.workers == 2

    await house.lease.step()
    assert house.last_call == ("beat", "w1", [], 0, 12.5)
    assert house.admission.workers == 3, "all that live share the limit"
    assert metrics.REGISTRY.get_sample_value("postbro_workers") == 3


@pytest.mark.parametrize(
    "error", [DatabaseAway("register_worker: x"), DatabaseRefused("register_worker: x", "42883")]
)
async def test_one_that_could_not_register_does_so_with_the_next_step(house: House, error: Exception) -> None:
    house.replies.error = error
    with pytest.raises(type(error)):
        await house.lease.step()
    assert not house.lease.holds

    house.replies.error = None
    await house.lease.step()
    assert [call[0] for call in house.replies.calls] == ["register", "register"]
    assert house.lease.holds


async def test_it_holds_from_the_beginning_of_the_last_beat_that_was_answered(house: House) -> None:
    """When the database heard it is not known: at the latest then."""
    house.replies.takes = 4.0
    await house.lease.step()
    house.clock.now += 10.9
    assert house.lease.holds
    house.clock.now += 0.1
    assert not house.lease.holds


async def test_past_its_end_it_does_not_hold_until_a_beat_is_answered(house: House) -> None:
    house.held = ["c1"]
    await house.lease.step()
    house.lease.changed.clear()
    house.replies.error = DatabaseAway("beat: ReadTimeout")
    for _ in range(16):
        house.clock.now += 1
        with pytest.raises(DatabaseAway):
            await house.lease.step()
    assert not house.lease.holds
    assert house.given_up == [], "a call under way goes on: nobody may be able to take its reply"
    assert not house.lease.changed.is_set()

    house.replies.error = None
    await house.lease.step()
    assert house.lease.holds
    assert house.lease.changed.is_set(), "whoever waits to claim need not wait for a sweep"
    assert house.last_call[1] == "w1", "it was not buried: it is the same worker"


async def test_while_it_holds_nobody_is_woken(house: House) -> None:
    await house.lease.step()
    house.lease.changed.clear()
    await house.lease.step()
    assert not house.lease.changed.is_set()


async def test_a_claim_that_was_lost_is_given_up_and_no_other(house: House) -> None:
    house.held = ["c1", "c2"]
    await house.lease.step()
    house.replies.beaten = Beaten(True, 1, house.held[1:])
    await house.lease.step()

    assert house.given_up == ["c2"]
    assert house.lease.holds


async def test_a_buried_worker_gives_all_up_and_registers_under_a_fresh_id(house: House) -> None:
    await house.lease.step()
    house.lease.know(house.lease.next_claim())
    house.held = ["c1", "c2"]
    house.replies.beaten = Beaten(False, 0)

    with capture_logs() as lines:
        await house.lease.step()

    assert house.given_up == ["c1", "c2"]
    assert not house.lease.holds, "within the old lease's time too"
    assert [line["action"] for line in lines] == ["buried"]
    assert logs._identity == {"worker_id": "w2"}

    house.held, house.replies.beaten = [], Beaten(True)
    house.lease.changed.clear()
    await house.lease.step()
    assert house.last_call == ("register", "w2", __version__, 7)
    assert house.lease.holds
    assert house.lease.changed.is_set()
    assert house.lease.next_claim() == 1, "claims are numbered for each registration"
    await house.lease.step()
    assert house.last_call == ("beat", "w2", [], 0, 12.5)


async def test_a_claim_is_known_when_its_answer_is_here_and_never_before(house: House) -> None:
    await house.lease.step()
    number = house.lease.next_claim()
    await house.lease.step()
    assert (number, house.last_call[3]) == (1, 0)

    house.held = ["c1"]
    house.lease.know(number)
    await house.lease.step()
    assert house.last_call[2:4] == (["c1"], 1)


async def test_what_is_held_and_known_is_said_as_of_one_moment(house: House) -> None:
    """Were they read one after the other around a wait, a reply just claimed would look given up."""
    await house.lease.step()
    house.lease.next_claim()
    beat = house.lease.step()
    house.held = ["c1"]
    house.lease.know(1)
    await beat
    assert house.last_call[2:4] == (["c1"], 1)


async def test_a_claim_that_ends_after_the_burial_is_none_of_the_new_registration(house: House) -> None:
    """The database does nothing for a claim that is known already: the next claims would all find nothing."""
    await house.lease.step()
    numbers = [house.lease.next_claim() for _ in range(7)]
    house.replies.beaten = Beaten(False, 0)
    await house.lease.step()
    house.lease.know(numbers[-1])

    house.replies.beaten = Beaten(True)
    await house.lease.step()
    await house.lease.step()
    assert house.last_call == ("beat", "w2", [], 0, 12.5)
    house.lease.know(house.lease.next_claim())
    await house.lease.step()
    assert house.last_call[3] == 1


async def test_a_database_that_refuses_is_told_apart_from_one_that_is_away(house: House) -> None:
    house.replies.error = DatabaseRefused("register_worker: PGRST202", "PGRST202")
    with pytest.raises(DatabaseRefused):
        await house.lease.step()
    assert house.lease.refused == "PGRST202"

    house.replies.error = None
    await house.lease.step()
    assert house.lease.refused is None
