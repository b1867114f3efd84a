"""What the project may spend: told to the operator in words and figures, while the worker stays ready."""

import math
from typing import Any

import pytest
from structlog.testing import capture_logs

from worker.check import spend as check
from worker.errors import DatabaseAway, DatabaseError
from worker.operations.health import create_health_app
from worker.telemetry import metrics
from worker.upkeep.spend_cap import Spend, SpendCap

OPEN: dict[str, Any] = {
    "paused": False,
    "refuses": None,
    "resets_at": None,
    "usd_today": 1.234,
    "usd_this_month": 17.5,
    "cap_usd_per_day": 5,
    "cap_usd_per_month": None,
    "measured_at": "2026-11-27T14:00:00+00:00",
    "refused": {"paused": 3, "spend_cap_day": 0, "spend_cap_month": 0},
}
PAUSED = {**OPEN, "paused": True, "refuses": "paused"}
OF_DAY = {**OPEN, "usd_today": 5.01, "refuses": "spend_cap_day", "resets_at": "2026-11-28T00:00:00+00:00"}
OF_MONTH = {
    **OPEN,
    "cap_usd_per_month": 17,
    "refuses": "spend_cap_month",
    "resets_at": "2026-12-01T00:00:00+00:00",
}


class FakeReplies:
    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    async def measure_spend(self) -> Any:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def cap_of(*answers: Any) -> SpendCap:
    replies: Any = FakeReplies(*answers)
    return SpendCap(replies)


def shown() -> dict[str, float]:
    return {
        "today": metrics.SPEND.labels("day")._value.get(),
        "this month": metrics.SPEND.labels("month")._value.get(),
        "cap of a day": metrics.SPEND_CAP.labels("day")._value.get(),
        "cap of a month": metrics.SPEND_CAP.labels("month")._value.get(),
        "paused": metrics.PAUSED._value.get(),
        "refusals": metrics.REFUSALS.labels("paused")._value.get(),
    }


async def test_the_figures() -> None:
    cap = cap_of(OPEN, PAUSED)
    await cap.step()
    found = shown()
    assert math.isnan(found.pop("cap of a month")), "there is none"
    assert found == {"today": 1.234, "this month": 17.5, "cap of a day": 5, "paused": 0, "refusals": 3}
    await cap.step()
    assert shown()["paused"] == 1


@pytest.mark.parametrize("answer", [DatabaseAway("measure_spend: 57P01"), None, [], {**OPEN, "usd_today": "much"}])
async def test_what_is_not_known_is_no_figure(answer: Any) -> None:
    cap = cap_of(OPEN, answer)
    await cap.step()
    with pytest.raises(DatabaseError):
        await cap.step()
    found = shown()
    assert found.pop("refusals") == 3
    assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize(
    ("answer", "name", "words"),
    [
        (PAUSED, "paused", "The project is paused."),
        (OF_DAY, "spend_cap_day", "The project has spent 5.01 of 5.00 USD today."),
        (OF_MONTH, "spend_cap_month", "The project has spent 17.50 of 17.00 USD this month."),
    ],
)
async def test_it_is_told_and_the_worker_stays_ready(answer: dict[str, Any], name: str, words: str) -> None:
    cap = cap_of(OPEN, answer, OPEN)
    client = create_health_app(dict, lambda: True, cap.notices).test_client()
    well = {"status": "ready", "problems": {}}
    assert client.get("/readyz").json == well, "nothing is known yet"
    await cap.step()
    assert client.get("/readyz").json == well
    await cap.step()
    answered = client.get("/readyz")
    told = answered.get_json()
    assert (answered.status_code, told["status"], told["problems"]) == (200, "ready", {})
    assert list(told["notices"]) == [name]
    assert told["notices"][name].startswith(words)
    assert "New questions are refused" in told["notices"][name]
    await cap.step()
    assert client.get("/readyz").json == well


def test_a_worker_with_a_problem_tells_of_both() -> None:
    client = create_health_app(lambda: {"api": "Away."}, lambda: True, lambda: {"paused": "It is."}).test_client()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "degraded", "problems": {"api": "Away."}, "notices": {"paused": "It is."}},
    )


async def test_a_change_is_logged_once() -> None:
    cap = cap_of(OPEN, PAUSED, PAUSED, OPEN, OPEN)
    with capture_logs() as logged:
        for _ in range(5):
            await cap.step()
    told = [(entry["action"], entry["reason"]) for entry in logged]
    assert told == [("project_refuses", "paused"), ("project_refuses", None)]


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (PAUSED, "warning", "The project is paused."),
        (OF_DAY, "warning", "The project has spent 5.01 of 5.00 USD today."),
        (OPEN, "ok", "Spent: 1.23 of 5.00 USD today."),
        ({**OPEN, "cap_usd_per_month": 50}, "ok", "Spent: 1.23 of 5.00 USD today, 17.50 of 50.00 USD this month."),
        ({**OPEN, "cap_usd_per_day": None}, "ok", "There is no spend cap"),
    ],
)
def test_the_check_says_so(answer: dict[str, Any], level: str, words: str) -> None:
    [finding] = check.judge({"spend": answer})
    assert (finding.level, finding.subject) == (level, "spend")
    assert finding.words.startswith(words)


def test_an_older_schema_does_not_tell_of_it() -> None:
    assert check.judge({}) == []


def test_the_end_is_named() -> None:
    assert "2026-11-28T00:00:00+00:00" in str(Spend.from_row(OF_DAY).refusal)
    assert "spend_cap_usd_per_day" in str(Spend.from_row(OF_DAY).refusal)
    assert "spend_cap_usd_per_month" in str(Spend.from_row(OF_MONTH).refusal)
