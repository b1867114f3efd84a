"""The short run of `make chaos`, as one test: each fault once, and every promise held at the end."""

from pathlib import Path

from tests.chaos.faults import FAULTS
from tests.chaos.report import Plan
from tests.chaos.run import run

SHORT = Plan(seconds=60, workers=2, users=6, messages=6, seed=1)


def test_whatever_breaks_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    report = run(SHORT, tmp_path)
    assert not report.violations, report.as_text()
    # That it was a run at all: everything was asked, and every fault happened.
    assert report.messages >= SHORT.users * SHORT.messages
    assert report.attempts["lost"] > 0, report.as_text()
    assert report.edits > 0, report.as_text()
    assert report.versions > 0, report.as_text()
    assert report.refused > 0, report.as_text()
    assert report.claims_lost > 0, report.as_text()
    assert report.faults.keys() == {fault.__name__ for fault in FAULTS}, report.as_text()
