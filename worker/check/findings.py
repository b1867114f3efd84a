"""The result of one check: level, subject, a sentence, and what to do."""

from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem", "skipped"]


@dataclass(frozen=True)
class Finding:
    level: Level
    subject: str
    """One word for the subject."""
    words: str
    """A sentence."""
    remedy: str = ""
    """What to do; empty if nothing has to be done."""

    @property
    def line(self) -> str:
        return f"{self.level:<8} {self.subject:<9} {self.words} {self.remedy}".rstrip()

    def as_row(self) -> dict[str, str]:
        return asdict(self)


def has_problem(findings: list[Finding]) -> bool:
    return any(finding.level == "problem" for finding in findings)
