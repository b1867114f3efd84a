"""Whether the database's broadcasts are stored, and whether Realtime reads them. Pure: facts in, findings out."""

from collections.abc import Iterator
from typing import Any

from worker.check import expected
from worker.check.findings import Finding, Level

BROADCASTS, ROW_CHANGES = "supabase_realtime_messages_publication", "supabase_realtime"
ERASED_SECONDS = 600.0
KEPT_DAYS = 5.0
"""Realtime drops partitions that are older than three days; an older row means that it does not."""
RECONNECT = (
    "Realtime mends this when the project's first client connects, as this check did: run it again in a minute. "
    "If it stays, restart the project."
)
REFUSALS = {
    "23514": ("it has no partition for today", RECONNECT),
    "42501": (
        "the owner of our functions has no right to it",
        f"Run, as the role postgres: grant select, insert, update, delete on {expected.CHANNELS} to postgres;",
    ),
    "42P01": ("there is no such table", "Switch Realtime on in the project's settings."),
    "42883": ("there is no function realtime.send", "Restart the project: Realtime brings its functions along."),
    "53100": ("the disk is full", "Give the project's database more room."),
    "57014": ("it took too long", "Look for locks on it."),
}
"""SQLSTATE → why a row was refused, and what to do."""


def judge(facts: dict[str, Any]) -> list[Finding]:
    """`facts`: the JSON that check_installation returns."""
    if "broadcast" not in facts or "broadcasts" not in facts:
        words = "The schema is of another version: whether broadcasts are stored was not looked at."
        return [Finding("skipped", "realtime", words)]
    found = [*_stored(facts["broadcast"], facts["broadcasts"]), *_read(facts["broadcasts"])]
    found += [*_row_changes(facts), *_kept(facts["broadcasts"])]
    words = "What the database sends is stored and read, and cleared away later; row changes are published."
    return found or [Finding("ok", "realtime", words)]


def _problem(words: str, remedy: str, level: Level = "problem") -> Finding:
    return Finding(level, "realtime", words, remedy)


def _stored(broadcast: dict[str, Any], facts: dict[str, Any]) -> Iterator[Finding]:
    if not broadcast["stored"]:
        code = broadcast["refused"]
        unknown = f"SQLSTATE {code}", "Look at its triggers and constraints, and at the database's log."
        reason, remedy = REFUSALS.get(code, unknown)
        if code is None:
            reason, remedy = "realtime.send stores none", "Restart the project: Realtime brings its functions along."
        words = f"{expected.CHANNELS} takes nothing that the database sends: {reason}. Nobody hears of anything."
        yield _problem(words, remedy)
    elif facts["missing_partitions"]:
        days = ", ".join(facts["missing_partitions"])
        words = f"{expected.CHANNELS} has no partition for {days}: what the database sends then is lost."
        yield _problem(words, RECONNECT, "warning")


def _read(facts: dict[str, Any]) -> Iterator[Finding]:
    publication = facts["publications"].get(BROADCASTS)
    if publication is None:
        words = f"There is no publication {BROADCASTS}: Realtime reads nothing that the database sends."
        yield _problem(words, RECONNECT)
    elif not publication["broadcasts"] or not publication["insert"]:
        words = f"The publication {BROADCASTS} has no inserts of {expected.CHANNELS}: nobody hears what is sent."
        yield _problem(words, f"Drop the publication, if you may; otherwise ask Supabase to. {RECONNECT}")


def _row_changes(facts: dict[str, Any]) -> Iterator[Finding]:
    publication = facts["broadcasts"]["publications"].get(ROW_CHANGES)
    if publication is None:
        words = f"There is no publication {ROW_CHANGES}: plain postgres_changes hear nothing."
        tables = ", ".join(name for name, each in expected.RELATIONS.items() if each.published)
        yield _problem(words, f"Run: create publication {ROW_CHANGES} for table {tables};")
        return
    if missing := [each for each in ("insert", "update") if not publication[each]]:
        words = f"The publication {ROW_CHANGES} was altered: it has no {' and no '.join(missing)}."
        remedy = f"Run: alter publication {ROW_CHANGES} set (publish = 'insert, update, delete, truncate');"
        yield _problem(words, remedy)
    ours = {name: facts["relations"].get(name) for name, wanted in expected.RELATIONS.items() if wanted.published}
    missing = [name for name, found in ours.items() if found is not None and not found["published"]]
    if len(missing) == len(ours):
        words = (
            f"None of our tables is in the publication {ROW_CHANGES}: plain postgres_changes hear nothing of them."
        )
        remedy = f"Unless that is meant, run: alter publication {ROW_CHANGES} add table {', '.join(missing)};"
        yield _problem(words, remedy, "warning")
        return
    for name in missing:
        words = f"{name} is not in the publication {ROW_CHANGES}: nobody hears of its rows."
        yield _problem(words, f"Run: alter publication {ROW_CHANGES} add table {name};")


def _kept(facts: dict[str, Any]) -> Iterator[Finding]:
    oldest, erasing = facts["oldest_days"], facts["erasing_for_seconds"]
    if oldest is not None and oldest > KEPT_DAYS:
        words = (
            f"{expected.CHANNELS} still holds what was sent {oldest:.0f} days ago: "
            "Realtime does not clear it away, as it should after three."
        )
        yield _problem(words, "Restart the project, and look at its Realtime log.", "warning")
    if erasing is not None and erasing > ERASED_SECONDS:
        minutes = f"{erasing / 60:.0f} minutes"
        words = f"{expected.CHANNELS} still holds what was sent of chats that were deleted {minutes} ago."
        yield _problem(words, "Does a worker run, and what does it log of its task eraser?", "warning")
