"""What came of a run: JSON to keep, and text to read."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """Everything random comes from `seed`. `sabotage` is the guard that is taken away, to see whether it is seen."""

    seconds: float
    workers: int
    users: int
    messages: int
    seed: int
    sabotage: str | None = None
    hosted_manners: bool = False
    """Everybody is behind a hosted project's manners: the pages and the workers."""


@dataclass
class Report:
    """In seconds: `waits`, from a question to its end; `asked_at`, from the start of the run to a question."""

    plan: Plan
    messages: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    attempts: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    resent: int = 0
    edits: int = 0
    versions: int = 0
    refused: int = 0
    claims_lost: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    reconnects: int = 0
    starved: int = 0
    died: int = 0
    asked_at: dict[str, float] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    longest_waits: dict[str, float] = field(default_factory=dict)
    worst_overdue: float = 0.0
    footprints: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def write(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "report.json").write_text(json.dumps({**vars(self), "plan": asdict(self.plan)}, indent=2) + "\n")
        (directory / "report.txt").write_text(self.as_text() + "\n")

    def as_text(self) -> str:
        plan = self.plan
        lines = [
            f"Seed {plan.seed}: {plan.seconds:g} s of faults, {plan.workers} workers, {plan.users} users"
            + (f", without its guard: {plan.sabotage}" if plan.sabotage else "")
            + (", behind a hosted project's manners" if plan.hosted_manners else ""),
            f"Questions    {self.messages}, {_seconds(self.asked_at)} from the start; {self.resent} times sent again;"
            f" {self.edits} replaced; {self.versions} further versions",
            f"Faults       {self.faults.total()}: {_counts(self.faults)}",
            f"Replies      {_counts(self.outcomes)}",
            f"Model        {self.calls} calls; {self.attempts.total()} attempts: {_counts(self.attempts)};"
            f" {self.retries} retries",
            f"Waits        {_seconds(self.waits)}; longest: {_seconds(self.longest_waits)}",
            f"Queue        overdue for {self.worst_overdue:g} s at most",
            f"API          refused {self.refused} calls, and lost the answers of {self.claims_lost} claims",
            *([f"Manners      {_counts(self.troubles)}"] if plan.hosted_manners else []),
            f"Machine      stood still {self.starved} times; a service died by itself {self.died} times",
            f"Pages        subscribed {self.reconnects} times",
            *(f"Footprint    {worker}: {words}" for worker, words in self.footprints.items()),
            f"Violations   {len(self.violations) or 'none'}",
            *(f"  {violation}" for violation in self.violations),
        ]
        return "\n".join(lines)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common())


def _seconds(named: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in named.items())
