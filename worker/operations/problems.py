"""The present problems of a worker, as sentences: what is wrong, since when, and what to do."""

import time
from typing import Protocol

from worker.config import WorkerSettings
from worker.model.admission import Admission
from worker.realtime.broadcast import Broadcaster
from worker.realtime.wakeup import WakeUp

REMEDIES = {
    "away": "See that Realtime is up and that SUPABASE_SECRET_KEY is of this project.",
    "starting": "It does so within seconds, or minutes after a long rest; if it does not, look at the project's "
    "Realtime log.",
    "unreliable": "See that the database can write to realtime.messages (disk, partitions) and that Realtime reads "
    "it: `python -m worker check` says where they end.",
}
"""By the state of the wake-ups."""


class Claiming(Protocol):
    """The runner's view of the API."""

    @property
    def api_answers(self) -> bool | None: ...
    @property
    def api_refuses(self) -> str | None: ...
    @property
    def api_changed_at(self) -> float: ...


def problems(
    settings: WorkerSettings, runner: Claiming, wakeup: WakeUp, admission: Admission, broadcaster: Broadcaster
) -> dict[str, str]:
    """Name → sentences; empty if there are no problems. May be called in any thread."""
    found = {}
    if runner.api_refuses is not None:
        found["database"] = (
            f"The database has refused this worker for {_since(runner.api_changed_at)}, with {runner.api_refuses}: "
            "no question is claimed. This is a defect, or the schema is not of this worker's version: see that all "
            "migrations are applied; `python -m worker check` tells more."
        )
    elif not runner.api_answers:
        found["api"] = (
            f"The Supabase API has not answered for {_since(runner.api_changed_at)}: no question is claimed. "
            "See that SUPABASE_URL is reached from here, that SUPABASE_SECRET_KEY is of this project, "
            "and that the project is not paused; "
            "`python -m worker check` tells more."
        )
    if wakeup.state != "well":
        meanwhile = f"the queue is asked every {settings.degraded_sweep_seconds:g} s instead, and answers come later."
        found["realtime"] = f"{_wakeup_problem(wakeup)}: {meanwhile} {REMEDIES[wakeup.state]}"
    if (since := broadcaster.failing_since) is not None:
        found["deltas"] = (
            f"Realtime has taken no piece of an answer for {_since(since)}: answers do not stream. "
            "See that Realtime is up, and within its limits."
        )
    states = admission.states()
    if states and all(state == "open" for state in states.values()):
        found["models"] = (
            f"No model is asked just now, since it fails, is gone, out of its quota, or the key is refused: "
            f"{', '.join(states)}. Questions wait in the queue. "
            "See GEMINI_API_KEY, its quota, and that Gemini is reached from here, or name another model in "
            "GEMINI_MODELS; `python -m worker check` tells more."
        )
    return found


def _wakeup_problem(wakeup: WakeUp) -> str:
    since = _since(wakeup.changed_at)
    match wakeup.state:
        case "starting":
            return f"Subscribed to wake-ups, but Realtime has not begun to read the database for {since}"
        case "unreliable":
            return (
                f"Subscribed to wake-ups, but none arrives: the last {wakeup.missed} claims that found a question "
                "had not been told of it"
            )
        case _:
            reason = f" ({wakeup.refused_with})" if wakeup.refused_with else ""
            return f"Not subscribed to wake-ups for {since}{reason}"


def _since(moment: float) -> str:
    seconds = round(time.monotonic() - moment)
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
