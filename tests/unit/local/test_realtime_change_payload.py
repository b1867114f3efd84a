"""The data of a row change, as a role may see it."""

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from worker.local.realtime import change_payload
from worker.local.realtime.change_payload import EvaluatedChange
from worker.local.realtime.pgoutput import Change, Operation, Relation, Row
from worker.local.realtime.rows import Column, Evaluated, Table

BOTH = frozenset({"anon", "authenticated"})
ID = Column(1, "id", "int8", "bigint", True, BOTH)
BODY = Column(2, "body", "text", "text", False, BOTH)
SECRET = Column(3, "secret", "text", "text", False, frozenset({"authenticated"}))
NOTES = Table(1, "public", "notes", has_rls=True, columns=(ID, BODY, SECRET))
ROW = {"id": "1", "body": '"b"', "secret": '"s"'}


def _row(values: dict[str, str] | None) -> Row | None:
    return None if values is None else {**values}


def changed(
    operation: Operation, new: dict[str, str] | None = None, old: dict[str, str] | None = None
) -> EvaluatedChange:
    change = Change(
        operation,
        Relation(1, "public", "notes", ()),
        datetime(2026, 1, 2, 3, 4, 5, 678999, tzinfo=UTC),
        new=_row(new),
        old=_row(old),
    )
    return EvaluatedChange(
        change,
        new=Evaluated(new, {}) if new is not None else None,
        old=Evaluated(old, {}) if old is not None else None,
    )


def shown(
    evaluated: EvaluatedChange, role: str = "anon", table: Table = NOTES, select: Collection[str] | None = None
) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(change_payload.shown(table, evaluated, role, select))
    return data


def test_an_insert_shows_the_columns_that_the_role_may_read() -> None:
    assert shown(changed("INSERT", new=ROW)) == {
        "schema": "public",
        "table": "notes",
        "type": "INSERT",
        "commit_timestamp": "2026-01-02T03:04:05.678Z",
        "columns": [{"name": "id", "type": "int8"}, {"name": "body", "type": "text"}],
        "errors": None,
        "record": {"id": 1, "body": "b"},
    }
    assert shown(changed("INSERT", new=ROW), "authenticated")["record"]["secret"] == "s"


def test_an_unchanged_toasted_value_comes_from_the_old_row_or_is_missing() -> None:
    new = {"id": "1", "body": '"n"'}
    assert shown(changed("UPDATE", new, ROW), "authenticated")["record"] == {
        "id": 1,
        "body": "n",
        "secret": "s",
    }
    assert shown(changed("UPDATE", new, {"id": "1"}), "authenticated")["record"] == {"id": 1, "body": "n"}


def test_selected_columns_come_with_the_key() -> None:
    data = shown(changed("INSERT", new=ROW), "authenticated", select=("secret",))
    assert data["record"] == {"id": 1, "secret": "s"}
    assert [column["name"] for column in data["columns"]] == ["id", "secret"]


def test_a_delete_under_row_level_security_shows_the_key_alone() -> None:
    data = shown(changed("DELETE", old=ROW))
    assert data["old_record"] == {"id": 1}
    assert "record" not in data


def test_a_delete_without_row_level_security_shows_the_old_row() -> None:
    data = shown(changed("DELETE", old=ROW), table=replace(NOTES, has_rls=False))
    assert data["old_record"] == {"id": 1, "body": "b"}


def test_a_table_without_a_key_is_refused_but_for_deletes() -> None:
    keyless = replace(NOTES, columns=(BODY,))
    assert change_payload.refusal(keyless, changed("INSERT", new=ROW).change, "anon") == change_payload.NO_PRIMARY_KEY
    assert change_payload.refusal(keyless, changed("DELETE", old=ROW).change, "anon") is None


def test_a_role_that_may_not_read_the_key_is_refused_and_shown_nothing() -> None:
    change = changed("INSERT", new=ROW).change
    assert change_payload.refusal(NOTES, change, "anon") is None
    assert change_payload.refusal(NOTES, change, "stranger") == change_payload.UNAUTHORIZED
    data = json.loads(change_payload.refused(NOTES, change, change_payload.UNAUTHORIZED))
    assert (data["record"], data["columns"], data["commit_timestamp"]) == ({}, [], None)
    assert data["errors"] == ["Error 401: Unauthorized"]


def test_a_row_over_the_limit_keeps_its_short_values() -> None:
    data = shown(changed("INSERT", new={"id": "1", "body": json.dumps("x" * 1_100_000)}))
    assert data["record"] == {"id": 1}
    assert data["errors"] == ["Error 413: Payload Too Large"]
