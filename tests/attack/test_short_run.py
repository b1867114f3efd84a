"""The short run of `make attack`, as one test. How long the honest wait is judged by the long run alone."""

from pathlib import Path

from tests.attack.hostile import ATTACKS
from tests.attack.run import run


def test_hostile_accounts_harm_nobody_and_pass_no_plan(tmp_path: Path) -> None:
    report = run(tmp_path, seconds=20, seed=1)
    assert not report.violations, report.as_text()
    # That it was an attack at all, however slow the machine: each account was refused something, and one its quota.
    assert report.harvest.answers.keys() == {attack.__name__ for attack in ATTACKS}
    for name, answers in report.harvest.answers.items():
        assert any(answer[:1] in "4p" for answer in answers), name
    assert sum(answers["429 quota_exceeded"] for answers in report.harvest.answers.values()) > 0, report.as_text()
    # And that the witness of the plans sees: one account changes as many chats as it may by its first request.
    met = {use.limit for uses in report.met.values() for use in uses}
    assert met >= {"active_chats", "chat_changes_per_minute"}, report.as_text()
