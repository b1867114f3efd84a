"""What the database says of its broadcasts, judged."""

from collections.abc import Callable
from typing import Any

import pytest

from worker.check import broadcasts, expected

Facts = dict[str, Any]


@pytest.fixture
def facts() -> Facts:
    every = {"insert": True, "update": True, "delete": True}
    return {
        "broadcast": {"stored": True, "refused": None},
        "broadcasts": {
            "erasing_for_seconds": 31.0,
            "oldest_days": 3.9,
            "missing_partitions": [],
            "publications": {
                broadcasts.BROADCASTS: {**every, "broadcasts": True},
                broadcasts.ROW_CHANGES: {**every, "broadcasts": False},
            },
        },
        "relations": {name: {"published": relation.published} for name, relation in expected.RELATIONS.items()},
    }


def test_nothing_is_wrong(facts: Facts) -> None:
    [finding] = broadcasts.judge(facts)
    assert finding.level == "ok"


def test_a_schema_of_another_version_is_not_called_well(facts: Facts) -> None:
    del facts["broadcast"]
    [finding] = broadcasts.judge(facts)
    assert finding.level == "skipped"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("23514", "it has no partition for today"),
        ("42501", "the owner of our functions has no right to it"),
        ("42P01", "there is no such table"),
        ("42883", "there is no function realtime.send"),
        ("53100", "the disk is full"),
        ("57014", "it took too long"),
        ("P0001", "SQLSTATE P0001"),
        (None, "realtime.send stores none"),
    ],
)
def test_why_nothing_is_stored(facts: Facts, code: str | None, words: str) -> None:
    facts["broadcast"] = {"stored": False, "refused": code}
    [finding] = broadcasts.judge(facts)
    assert finding.level == "problem"
    assert f"realtime.messages takes nothing that the database sends: {words}" in finding.words
    assert finding.remedy


def _unread(facts: Facts) -> None:
    del facts["broadcasts"]["publications"][broadcasts.BROADCASTS]


def _altered(facts: Facts) -> None:
    facts["broadcasts"]["publications"][broadcasts.BROADCASTS]["insert"] = False


def _taken_out(facts: Facts) -> None:
    facts["broadcasts"]["publications"][broadcasts.BROADCASTS]["broadcasts"] = False


def _no_row_changes(facts: Facts) -> None:
    del facts["broadcasts"]["publications"][broadcasts.ROW_CHANGES]


def _no_updates(facts: Facts) -> None:
    facts["broadcasts"]["publications"][broadcasts.ROW_CHANGES]["update"] = False


def _no_inserts(facts: Facts) -> None:
    facts["broadcasts"]["publications"][broadcasts.ROW_CHANGES]["insert"] = False


def _unpublished(facts: Facts) -> None:
    facts["relations"]["public.chat_messages"]["published"] = False


def _switched_off(facts: Facts) -> None:
    for relation in facts["relations"].values():
        relation["published"] = False


def _tomorrow(facts: Facts) -> None:
    facts["broadcasts"]["missing_partitions"] = ["2026-11-28"]


def _kept_for_ever(facts: Facts) -> None:
    facts["broadcasts"]["oldest_days"] = 12.2


def _unerased(facts: Facts) -> None:
    facts["broadcasts"]["erasing_for_seconds"] = 1800.0


@pytest.mark.parametrize(
    ("misdeed", "level", "words"),
    [
        (_unread, "problem", "There is no publication supabase_realtime_messages_publication"),
        (_altered, "problem", "supabase_realtime_messages_publication has no inserts of realtime.messages"),
        (_taken_out, "problem", "supabase_realtime_messages_publication has no inserts of realtime.messages"),
        (
            _no_row_changes,
            "problem",
            "There is no publication supabase_realtime: plain postgres_changes hear nothing.",
        ),
        (_no_inserts, "problem", "The publication supabase_realtime was altered: it has no insert."),
        (_no_updates, "problem", "The publication supabase_realtime was altered: it has no update."),
        (_unpublished, "problem", "public.chat_messages is not in the publication supabase_realtime"),
        (_switched_off, "warning", "None of our tables is in the publication supabase_realtime"),
        (_tomorrow, "warning", "has no partition for 2026-11-28"),
        (_kept_for_ever, "warning", "still holds what was sent 12 days ago"),
        (_unerased, "warning", "still holds what was sent of chats that were deleted 30 minutes ago"),
    ],
)
def test_what_is_wrong_is_the_only_thing_told(
    facts: Facts, misdeed: Callable[[Facts], None], level: str, words: str
) -> None:
    misdeed(facts)
    [finding] = broadcasts.judge(facts)
    assert finding.level == level
    assert words in finding.words
    assert finding.remedy
