"""Released migrations never change. `python -m worker.local.supabase.released` adds new ones to the list.

A database runs each migration once, so editing a released one would make two kinds of databases. The list,
supabase/released.sha256, has the format of sha256sum, with paths relative to the repository.
"""

import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

LIST = "supabase/released.sha256"
MIGRATIONS = "supabase/migrations"
LISTED = re.compile(r"([0-9a-f]{64}) [ *](\S+)")
TAG = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+\S*")
SECTION = re.compile(r"^## \[?v?([0-9]+\.[0-9]+\.[0-9]+[^\s\]]*)", re.MULTILINE)
NOTHING = "Nothing is released: migrations are edited in place."

Entries = list[tuple[str, str]]
"""Hash and path of each line of the list."""


class BrokenList(Exception):
    """The list cannot be read. The message is a sentence for the user."""


def problems(root: Path) -> list[str]:
    """A sentence for each violation of the rule in the repository `root`."""
    try:
        listed = read_list(root)
    except BrokenList as error:
        return [str(error)]
    return changes(root, listed) + _forgotten(root, listed)


def state(root: Path) -> str:
    """One sentence on how many migrations are released. Raises BrokenList."""
    count = len(read_list(root))
    return f"Released migrations: {count}. They never change." if count else NOTHING


def changes(root: Path, listed: Entries) -> list[str]:
    """A sentence for each listed file that was changed or deleted, and for each new file that sorts before them."""
    present = _present(root)
    found = []
    for digest, path in listed:
        if path not in present:
            found.append(f"{path} is released, and gone: take it back from git.")
        elif present[path] != digest:
            found.append(f"{path} is released, and was edited: undo that, and write a new migration.")
    if listed:
        last = max((path for _, path in listed), key=_version)
        found += [
            f"{path} is new, and does not sort after {last}, which is released: "
            "a database that has the one never gets the other. Give it a later number."
            for path in _new(present, listed)
            if _version(path) <= _version(last)
        ]
    return found


def release(root: Path) -> int:
    """Add all new migrations to the list; return their number. Raises BrokenList."""
    present = _present(root)
    new = _new(present, read_list(root))
    with (root / LIST).open("a") as file:
        file.writelines(f"{present[path]}  {path}\n" for path in new)
    return len(new)


def read_list(root: Path) -> Entries:
    if not (root / LIST).is_file():
        raise BrokenList(f"{LIST} is missing: take it back from git.")
    listed = []
    for number, line in enumerate((root / LIST).read_text().splitlines(), start=1):
        if line and not line.startswith("#"):
            if not (entry := LISTED.fullmatch(line)):
                raise BrokenList(f"{LIST}, line {number}, is no line of sha256sum: take the file back from git.")
            listed.append((entry[1], entry[2]))
    return listed


def _forgotten(root: Path, listed: Entries) -> list[str]:
    """A sentence for each release whose migrations are not all in the list."""
    found = []
    for tag, released in _tagged(root).items():
        missing = sorted(path for path, digest in released.items() if (digest, path) not in listed)
        if missing:
            found.append(f"{tag} is tagged, but {LIST} lacks what it has: {', '.join(missing)}. Run: make release")
    changelog = root / "CHANGELOG.md"
    versions = SECTION.findall(changelog.read_text()) if changelog.is_file() else []
    if versions and not listed:
        found.append(f"CHANGELOG.md has {versions[0]}, but {LIST} is empty. Run: make release")
    return found


def _present(root: Path) -> dict[str, str]:
    """Path → hash of each migration."""
    files = sorted((root / MIGRATIONS).glob("*.sql"))
    return {f"{MIGRATIONS}/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _new(present: dict[str, str], listed: Entries) -> list[str]:
    return sorted(present.keys() - {path for _, path in listed})


def _version(path: str) -> str:
    return PurePosixPath(path).name.split("_")[0]


def _tagged(root: Path) -> dict[str, dict[str, str]]:
    """Tag → path → hash of its migrations; empty without a git repository or without git."""
    if not (root / ".git").exists() or not shutil.which("git"):
        return {}
    tags = [tag for tag in _git(root, "tag", "--list").decode().splitlines() if TAG.fullmatch(tag)]
    return {tag: _migrations_of(root, tag) for tag in tags}


def _migrations_of(root: Path, tag: str) -> dict[str, str]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", tag, "supabase"))) as files:
        for member in files:
            content = files.extractfile(member)
            if content and PurePosixPath(member.name).match(f"{MIGRATIONS}/*.sql"):
                found[member.name] = hashlib.sha256(content.read()).hexdigest()
    return found


def _git(root: Path, *arguments: str) -> bytes:
    # The folder may belong to another user, as in a container, and git would refuse to read it.
    command = ["git", "-c", "safe.directory=*", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True).stdout


def main(root: Path) -> int:
    """Returns the exit status: 2, with the list unchanged, if a listed file has changed."""
    try:
        told = changes(root, read_list(root))
    except BrokenList as error:
        told = [str(error)]
    if told:
        print(*told, sep="\n", file=sys.stderr)  # noqa: T201
        return 2
    print(f"New in {LIST}: {release(root)}. {state(root)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
