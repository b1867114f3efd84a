"""Compares the database's report with what the migrations create. Pure: facts in, findings out."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worker import __version__
from worker.check import expected, rights
from worker.check.expected import Policies
from worker.check.findings import Finding

MIGRATIONS = Path(__file__).resolve().parents[2] / "supabase/migrations"
PUSH = "Run `supabase db push --remote`."
AS_WRITTEN = "Create it again, as supabase/migrations has it."

Facts = dict[str, Any]


def versions(directory: Path = MIGRATIONS) -> list[str]:
    """Versions of the migrations beside this program; empty if it was installed without them."""
    return sorted(file.name.split("_", 1)[0] for file in directory.glob("[0-9]*_*.sql"))


def judge(facts: Facts, files: list[str], local: bool) -> list[Finding]:
    """`facts`: the JSON of check_installation. `files`: versions of the migrations that should be applied."""
    groups: tuple[tuple[str, str, Iterator[Finding]], ...] = (
        ("database", "The migrations are applied.", _migrations(facts, files)),
        ("database", "Tables, triggers and policies are as the migrations made them.", _relations(facts)),
        ("rights", "Everybody may do what they need, and nothing else.", rights.judge(facts)),
        ("channels", "The channels are guarded.", _channels(facts)),
        ("accounts", "There is no demo account where others could use it.", _demo_account(facts, local)),
    )
    return [
        finding
        for subject, all_is_well, found in groups
        for finding in (list(found) or [Finding("ok", subject, all_is_well)])
    ] + [*_workers(facts), *_cron(facts)]


def _migrations(facts: Facts, files: list[str]) -> Iterator[Finding]:
    applied = facts["migrations"]
    if applied is None:
        words = "The migrations were not applied by the Supabase CLI: nobody can tell which."
        yield Finding("warning", "database", words, "What follows looks at what they should have left behind.")
        return
    if not files:
        words = "This worker was installed without supabase/migrations: nothing to compare the applied ones with."
        yield Finding("skipped", "database", words)
    if missing := [version for version in files if version not in applied]:
        yield Finding("problem", "database", f"Migrations are missing: {', '.join(missing)}.", PUSH)


def _relations(facts: Facts) -> Iterator[Finding]:
    for name, wanted in expected.RELATIONS.items():
        found = facts["relations"].get(name)
        if found is None:
            yield Finding("problem", "database", f"{name} is missing.", PUSH)
            continue
        if not wanted.view and not found["row_level_security"]:
            words = f"Row-level security of {name} is off: everybody who may read it reads every row."
            yield Finding("problem", "database", words, f"Run: alter table {name} enable row level security;")
        yield from _triggers(name, wanted.triggers, found["triggers"])
        yield from _missing_policies(name, wanted.policies, found["policies"])
        for policy in found["policies"].keys() - wanted.policies.keys():
            words = f"The policy “{policy}” of {name} is not ours: it may open rows to others."
            yield Finding("warning", "database", words, "Make sure that it is meant.")


def _triggers(table: str, wanted: tuple[str, ...], found: dict[str, bool]) -> Iterator[Finding]:
    for name in wanted:
        if name not in found:
            yield Finding("problem", "database", f"The trigger {name} of {table} is missing.", AS_WRITTEN)
        elif not found[name]:
            words = f"The trigger {name} of {table} is disabled."
            yield Finding("problem", "database", words, f"Run: alter table {table} enable trigger {name};")


def _missing_policies(table: str, wanted: Policies, found: Policies) -> Iterator[Finding]:
    for name, kind in wanted.items():
        if name not in found:
            yield Finding("problem", "database", f"The policy “{name}” of {table} is missing.", AS_WRITTEN)
        elif found[name] != kind:
            words = f"The policy “{name}” of {table} is {found[name]} and should be {kind}."
            yield Finding("problem", "database", words, AS_WRITTEN)


def _channels(facts: Facts) -> Iterator[Finding]:
    found = facts["relations"].get(expected.CHANNELS)
    if found is None:
        words = f"There is no table {expected.CHANNELS}: this project has no Realtime."
        yield Finding("problem", "channels", words, "Switch Realtime on in the project's settings.")
        return
    if not found["row_level_security"]:
        words = f"Row-level security of {expected.CHANNELS} is off: everybody hears every private channel."
        yield Finding(
            "problem", "channels", words, f"Run: alter table {expected.CHANNELS} enable row level security;"
        )
    yield from _missing_policies(expected.CHANNELS, expected.CHANNEL_POLICIES, found["policies"])


def _workers(facts: Facts) -> Iterator[Finding]:
    """Live workers, by version. None is not a problem: the check may run before the first worker starts."""
    living = Counter(str(each["version"]) for each in facts["workers"])
    if not living:
        yield Finding("ok", "workers", "No worker lives at the moment.")
        return
    words = ", ".join(f"{number} of version {version}" for version, number in sorted(living.items()))
    if living.keys() - {__version__}:
        words = f"Workers that live: {words}; this one is {__version__}."
        yield Finding("warning", "workers", words, "Upgrade them.")
    else:
        yield Finding("ok", "workers", f"Workers that live: {words}.")


def _cron(facts: Facts) -> Iterator[Finding]:
    """Informs the operator only: nothing here depends on pg_cron."""
    if "pg_cron" in facts:
        there = "is" if facts["pg_cron"] else "is not"
        words = f"pg_cron {there} installed; nothing here needs it: what is to be repeated, the workers do."
        yield Finding("ok", "database", words)


def _demo_account(facts: Facts, local: bool) -> Iterator[Finding]:
    if facts["demo_account"] and not local:
        words = "The demo account demo@postbro.test exists, and its password is public."
        yield Finding("problem", "accounts", words, "Delete it in the dashboard: Authentication, Users.")
