"""Released migrations never change: what supabase/released.sha256 lists stays, and it lists every release."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worker.local.supabase import released

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = Path(released.MIGRATIONS)
COMMENT = "# Nothing yet.\n"
CHATS, REPLIES, LATER = (
    f"supabase/migrations/{name}.sql" for name in ("20300101_chats", "20300102_replies", "20300103_b")
)
UNRELEASED = "## [Unreleased]\n\n- 1.0.0 of something\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two migrations, none of them released."""
    (tmp_path / MIGRATIONS).mkdir(parents=True)
    (tmp_path / CHATS).write_text("create table chats ();\n")
    (tmp_path / REPLIES).write_text("create table replies ();\n")
    (tmp_path / released.LIST).write_text(COMMENT)
    (tmp_path / "CHANGELOG.md").write_text(UNRELEASED)
    return tmp_path


@pytest.fixture
def released_project(project: Path) -> Path:
    assert released.release(project) == 2
    return project


def git(project: Path, *arguments: str) -> None:
    """Without this machine's settings: it may want signatures, or run hooks."""
    us = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    alone = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    command = ["git", *us, *arguments]
    subprocess.run(command, cwd=project, env=alone, check=True, capture_output=True)


def tag(project: Path, name: str) -> None:
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--allow-empty", "--message", name)
    git(project, "tag", name)


def test_the_released_migrations_of_this_project_are_as_they_were() -> None:
    assert released.problems(ROOT) == []
    print(released.state(ROOT))


def test_nothing_is_released(project: Path) -> None:
    (project / CHATS).write_text("create table chats (id uuid);\n")
    (project / "supabase/migrations/20291231_early.sql").touch()
    assert released.problems(project) == []
    assert released.state(project) == "Nothing is released: migrations are edited in place."


def test_a_list_is_what_sha256sum_writes_and_checks(released_project: Path) -> None:
    write, check = ["sha256sum", CHATS, REPLIES], ["sha256sum", "--check", "--strict", released.LIST]
    written = subprocess.run(write, cwd=released_project, capture_output=True, check=True)
    assert (released_project / released.LIST).read_text() == COMMENT + written.stdout.decode()
    subprocess.run(check, cwd=released_project, check=True)
    assert released.problems(released_project) == []
    assert released.state(released_project) == "Released migrations: 2. They never change."


def test_a_released_file_is_edited(released_project: Path) -> None:
    (released_project / CHATS).write_text("create table chats (id uuid);\n")
    assert released.problems(released_project) == [
        f"{CHATS} is released, and was edited: undo that, and write a new migration."
    ]


def test_a_released_file_is_gone(released_project: Path) -> None:
    (released_project / REPLIES).unlink()
    assert released.problems(released_project) == [f"{REPLIES} is released, and gone: take it back from git."]


@pytest.mark.parametrize(
    "name", ["20291231_early", "20300101_between", "20300102_a_same_number", "20300102_z_same_number"]
)
def test_a_new_file_does_not_come_after_what_is_released(released_project: Path, name: str) -> None:
    (released_project / MIGRATIONS / f"{name}.sql").touch()
    assert released.problems(released_project) == [
        f"supabase/migrations/{name}.sql is new, and does not sort after {REPLIES}, which is released: "
        "a database that has the one never gets the other. Give it a later number."
    ]


def test_a_new_file_comes_after_what_is_released(released_project: Path) -> None:
    (released_project / LATER).touch()
    assert released.problems(released_project) == []
    (released_project / LATER).write_text("select 1;\n")
    assert released.problems(released_project) == []


@pytest.mark.parametrize("name", ["v0.1.0", "0.1.0", "v1.0.0-rc.1"])
def test_a_version_is_tagged_and_nothing_listed(project: Path, name: str) -> None:
    tag(project, name)
    assert released.problems(project) == [
        f"{name} is tagged, but supabase/released.sha256 lacks what it has: {CHATS}, {REPLIES}. Run: make release"
    ]


def test_another_tag_releases_nothing(project: Path) -> None:
    tag(project, "before-the-move")
    assert released.problems(project) == []


def test_a_later_version_is_tagged_and_its_migration_not_listed(released_project: Path) -> None:
    tag(released_project, "v0.1.0")
    (released_project / LATER).touch()
    assert released.problems(released_project) == []
    tag(released_project, "v0.2.0")
    assert released.problems(released_project) == [
        f"v0.2.0 is tagged, but supabase/released.sha256 lacks what it has: {LATER}. Run: make release"
    ]


def test_a_released_file_and_its_line_are_edited(released_project: Path) -> None:
    tag(released_project, "v0.1.0")
    (released_project / CHATS).write_text("create table chats (id uuid);\n")
    (released_project / released.LIST).write_text(COMMENT)
    released.release(released_project)
    assert released.problems(released_project) == [
        f"v0.1.0 is tagged, but supabase/released.sha256 lacks what it has: {CHATS}. Run: make release"
    ]


@pytest.mark.parametrize("heading", ["## [0.1.0] - 2030-01-01", "## 0.1.0", "## v0.1.0"])
def test_the_changelog_has_a_version_and_nothing_is_listed(project: Path, heading: str) -> None:
    (project / "CHANGELOG.md").write_text(f"{UNRELEASED}\n{heading}\n")
    assert released.problems(project) == [
        "CHANGELOG.md has 0.1.0, but supabase/released.sha256 is empty. Run: make release"
    ]
    released.release(project)
    assert released.problems(project) == []


def test_the_list_is_gone(project: Path) -> None:
    (project / released.LIST).unlink()
    assert released.problems(project) == ["supabase/released.sha256 is missing: take it back from git."]


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", "0" * 63 + "  " + CHATS, "0" * 64])
def test_a_line_of_the_list_cannot_be_read(released_project: Path, line: str) -> None:
    with (released_project / released.LIST).open("a") as file:
        file.write(f"{line}\n")
    assert released.problems(released_project) == [
        "supabase/released.sha256, line 4, is no line of sha256sum: take the file back from git."
    ]


@pytest.fixture
def make_release(project: Path) -> Callable[[], "subprocess.CompletedProcess[str]"]:
    """The command, with our Makefile, in a project where nothing is to be installed."""
    for folder in (".venv/bin", "worker/web/ui", "worker/operations/ui"):
        (project / folder).mkdir(parents=True)
    python = project / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    # Of the make that runs the tests, perhaps: its words are not this one's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", f"--makefile={ROOT}/Makefile", "--old-file=install", "release"]
    return lambda: subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_make_release_lists_what_is_new(make_release: Callable[..., Any], project: Path) -> None:
    assert make_release().stdout == "New in supabase/released.sha256: 2. Released migrations: 2. They never change.\n"
    first = (project / released.LIST).read_text()
    (project / LATER).touch()
    assert make_release().stdout == "New in supabase/released.sha256: 1. Released migrations: 3. They never change.\n"
    last = make_release()
    assert (last.returncode, last.stderr) == (0, "")
    assert last.stdout == "New in supabase/released.sha256: 0. Released migrations: 3. They never change.\n"
    assert (project / released.LIST).read_text().startswith(first)
    assert released.problems(project) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda project: (project / CHATS).write_text("drop table chats;\n"), f"{CHATS} is released, and was edited"),
        (lambda project: (project / CHATS).unlink(), f"{CHATS} is released, and gone"),
        (lambda project: (project / MIGRATIONS / "20291231_early.sql").touch(), "20291231_early.sql is new"),
        (lambda project: (project / released.LIST).unlink(), "supabase/released.sha256 is missing"),
    ],
    ids=["edited", "gone", "too early", "no list"],
)
def test_make_release_refuses(
    make_release: Callable[..., Any], released_project: Path, change: Callable[[Path], object], sentence: str
) -> None:
    (released_project / LATER).touch()
    before = (released_project / released.LIST).read_text()
    change(released_project)

    result = make_release()

    assert result.returncode == 2
    assert sentence in result.stderr.splitlines()[0]
    assert "Traceback" not in result.stderr
    listed = released_project / released.LIST
    assert not listed.exists() or listed.read_text() == before
