"""What a reader meets in supabase/migrations: short files, and the rights of a function right behind it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).resolve().parents[2] / "supabase/migrations").glob("*.sql"))
MOST_LINES = 300

# What may hold a semicolon that ends nothing. A body without quotes runs from "begin atomic" to its "end;".
QUOTED = r"'(?:[^']|'')*'|\"[^\"]*\"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|\bbegin atomic\b.*?^end(?=;)"
COMMENT = re.compile(rf"(?P<quoted>{QUOTED})|--[^\n]*", re.DOTALL | re.MULTILINE)
STATEMENT = re.compile(rf"(?:{QUOTED}|[^;])+;", re.DOTALL | re.MULTILINE)
NAME = r"[a-z_]+\.[a-z_0-9]+"
CREATED = re.compile(rf"create (?:or replace )?function ({NAME})")
COMMENTED = re.compile(rf"comment on function ({NAME})")
GRANTED = re.compile(r"(?:grant|revoke) \w+(?: \w+)? on function (.*?) (?:to|from) ")


def statements(sql: str) -> Iterator[str]:
    """Each in one line, without comments."""
    bare = COMMENT.sub(lambda found: found["quoted"] or "", sql)
    for found in STATEMENT.finditer(bare):
        yield " ".join(found[0].split())


def named(statement: str) -> set[str]:
    """The functions whose comment or rights this statement sets."""
    if comment := COMMENTED.match(statement):
        return {comment[1]}
    if rights := GRANTED.match(statement):
        return set(re.findall(NAME, re.sub(r"\([^)]*\)", "", rights[1])))
    return set()


def apart(sql: str) -> set[str]:
    """Functions with a comment or right that stands elsewhere, or whom nothing is revoked from.

    One statement may name several functions: it stands behind the last of them.
    """
    created: set[str] = set()
    revoked: set[str] = set()
    wrong: set[str] = set()
    last = ""
    for statement in statements(sql):
        names = named(statement)
        if function := CREATED.match(statement):
            last = function[1]
            created.add(last)
        elif not names:
            last = ""
        elif last not in names:
            wrong |= names
        else:
            wrong |= names - created
        if statement.startswith("revoke"):
            revoked |= names
    return wrong | (created - revoked)


def test_there_are_migrations() -> None:
    assert len(FILES) > 20
    assert sum(
        len(re.findall(r"^create (?:or replace )?function", file.read_text(), re.MULTILINE)) for file in FILES
    ) == (sum(bool(CREATED.match(statement)) for file in FILES for statement in statements(file.read_text())))


def test_no_function_is_created_twice() -> None:
    created = [found[1] for file in FILES for each in statements(file.read_text()) if (found := CREATED.match(each))]
    assert {name for name in created if created.count(name) > 1} == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_migration_is_short(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_comment_and_rights_stand_right_behind_their_function(file: Path) -> None:
    assert apart(file.read_text()) == set()


FUNCTION = "create function private.{}(text) returns void language sql as $$ select 1; -- ' $$;"
ATOMIC = "create function private.{}() begin atomic\n  select ';';\nend;"
REVOKE = "revoke all on function private.{}(text) from public;"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([FUNCTION.format("a"), REVOKE.format("a"), "grant execute on function private.a(text) to anon;"], set()),
        ([ATOMIC.format("a"), REVOKE.format("a"), ATOMIC.format("b"), REVOKE.format("b")], set()),
        ([FUNCTION.format("a"), FUNCTION.format("b"), REVOKE.format("a(text), private.b")], set()),
        ([FUNCTION.format("a"), "-- revoke;", REVOKE.format("a")], set()),
        ([FUNCTION.format("a")], {"private.a"}),
        ([REVOKE.format("a")], {"private.a"}),
        ([FUNCTION.format("a"), "select 1;", REVOKE.format("a")], {"private.a"}),
        ([FUNCTION.format("a"), ATOMIC.format("b"), REVOKE.format("a"), REVOKE.format("b")], {"private.a"}),
        ([FUNCTION.format("a"), REVOKE.format("a, private.b")], {"private.b"}),
        (
            [FUNCTION.format("a"), REVOKE.format("a"), "select 1;", "comment on function private.a(text) is 'it;';"],
            {"private.a"},
        ),
    ],
)
def test_what_stands_apart_is_seen(parts: list[str], expected: set[str]) -> None:
    assert apart("\n".join(parts)) == expected
