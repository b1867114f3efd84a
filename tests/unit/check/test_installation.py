"""Facts of a database, judged: those that no test can plant in a living one."""

from collections.abc import Callable
from typing import Any

import pytest

from worker import __version__
from worker.check import expected, installation

Facts = dict[str, Any]
FILES = ["20260101000000", "20260102000000"]


def told(facts: Facts, files: list[str] = FILES) -> list[tuple[str, str]]:
    found = installation.judge(facts, files, local=False)
    return [(finding.level, finding.words) for finding in found if finding.level != "ok"]


def test_nothing_is_wrong(facts: Facts) -> None:
    assert told(facts) == []


def test_a_newer_migration_of_somebody_elses_is_none_of_ours(facts: Facts) -> None:
    facts["migrations"].append("20990101000000")
    assert told(facts) == []


def test_migrations_run_by_hand_leave_no_trace(facts: Facts) -> None:
    facts["migrations"] = None
    [(level, words)] = told(facts)
    assert level == "warning"
    assert "nobody can tell which" in words


def test_the_migrations_that_are_missing_are_told(facts: Facts) -> None:
    facts["migrations"].remove(FILES[1])
    assert told(facts) == [("problem", f"Migrations are missing: {FILES[1]}.")]


def test_a_policy_of_somebody_elses_is_a_warning(facts: Facts) -> None:
    facts["relations"]["public.posts"]["policies"]["All read"] = "permissive select to public"
    [(level, words)] = told(facts)
    assert level == "warning"
    assert "The policy “All read” of public.posts is not ours" in words


def test_the_demo_account_is_for_this_machine_alone(facts: Facts) -> None:
    facts["demo_account"] = True
    [(level, words)] = told(facts)
    assert level == "problem"
    assert "The demo account demo@postbro.test exists" in words
    assert all(finding.level == "ok" for finding in installation.judge(facts, FILES, local=True))


@pytest.mark.parametrize(("there", "words"), [(True, "pg_cron is installed;"), (False, "pg_cron is not installed;")])
def test_whether_pg_cron_is_there_is_told(facts: Facts, there: bool, words: str) -> None:
    facts["pg_cron"] = there
    [finding] = [each for each in installation.judge(facts, FILES, local=False) if words in each.words]
    assert finding.level == "ok"


def test_nothing_to_compare_with_is_not_called_well(facts: Facts) -> None:
    [(level, words)] = told(facts, files=[])
    assert level == "skipped"
    assert "without supabase/migrations" in words


def _drop_table(facts: Facts) -> None:
    facts["relations"]["public.posts"] = None


def _drop_trigger(facts: Facts) -> None:
    del facts["relations"]["private.reply_queue"]["triggers"]["send_wake_up"]


def _loosen_policy(facts: Facts) -> None:
    policies = facts["relations"][expected.CHANNELS]["policies"]
    policies["Only the database and the worker speak in chat sessions"] = "permissive insert to public"


def _open_channels(facts: Facts) -> None:
    facts["relations"][expected.CHANNELS]["row_level_security"] = False


def _lose_realtime(facts: Facts) -> None:
    facts["relations"][expected.CHANNELS] = None


def _open_table(facts: Facts) -> None:
    facts["relations"]["public.posts"]["row_level_security"] = False


def _disable_trigger(facts: Facts) -> None:
    facts["relations"]["private.reply_queue"]["triggers"]["send_wake_up"] = False


def _drop_function(facts: Facts) -> None:
    facts["functions"]["private.claim_replies"] = None


@pytest.mark.parametrize(
    ("misdeed", "words"),
    [
        (_drop_table, "public.posts is missing."),
        (_drop_trigger, "The trigger send_wake_up of private.reply_queue is missing."),
        (_loosen_policy, "is permissive insert to public and should be restrictive insert to public."),
        (_open_channels, "Row-level security of realtime.messages is off"),
        (_lose_realtime, "There is no table realtime.messages"),
        (_drop_function, "The function private.claim_replies is missing."),
        (_open_table, "Row-level security of public.posts is off"),
        (_disable_trigger, "The trigger send_wake_up of private.reply_queue is disabled."),
    ],
)
def test_what_is_wrong_is_the_only_thing_told(facts: Facts, misdeed: Callable[[Facts], None], words: str) -> None:
    misdeed(facts)
    [(level, sentence)] = told(facts)
    assert level == "problem"
    assert words in sentence


@pytest.mark.parametrize(
    ("versions", "level", "words"),
    [
        ([], "ok", "No worker lives at the moment."),
        ([__version__, __version__], "ok", f"Workers that live: 2 of version {__version__}."),
        (["0.0.9", __version__], "warning", f"1 of version 0.0.9, 1 of version {__version__}; this one is"),
    ],
)
def test_the_workers_that_live_are_told(facts: Facts, versions: list[str], level: str, words: str) -> None:
    facts["workers"] = [{"version": version} for version in versions]
    [finding] = [each for each in installation.judge(facts, FILES, local=True) if each.subject == "workers"]
    assert finding.level == level
    assert words in finding.words


def test_the_migrations_of_this_repository_are_found() -> None:
    versions = installation.versions()
    assert versions == sorted(versions)
    assert len(versions) > 20
