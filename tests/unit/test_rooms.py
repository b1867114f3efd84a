"""The rooms of worker/: imports point one way, and the doors do not know each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_FILES = 18
MOST_LINES = 300
CODE = {".py", ".sql", ".ts", ".tsx", ".mjs", ".js", ".css", ".html"}
DOORS = {"worker.database", "worker.model", "worker.realtime"}
GEMINI = {f"worker.model.{name}" for name in ("gemini", "gemini_http", "endings")}
STORY = {f"worker.{name}" for name in ("__main__", "run", "runner", "answering", "answer", "lease")}


def modules() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "worker").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imported(module: str, path: Path) -> Iterator[str]:
    """Modules of ours, also those that are imported in a function or for types only."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                deeper = f"{base}.{alias.name}"
                if deeper in MODULES or base in MODULES:
                    yield deeper if deeper in MODULES else base


def packages(path: Path) -> set[str]:
    """The packages of others that a module imports, by their first names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def who_imports(*names: str) -> set[str]:
    """Modules of a deployed worker that import one of these packages."""
    return {
        module
        for module, path in MODULES.items()
        if not module.startswith("worker.local") and packages(path) & set(names)
    }


IMPORTS = {module: set(imported(module, path)) - {module} for module, path in MODULES.items()}


def wing(module: str) -> str:
    """The folder that a module is in; a module at the top is a room of its own."""
    return ".".join(module.split(".")[:2])


def between_wings() -> dict[str, set[str]]:
    arrows: dict[str, set[str]] = {}
    for module, others in IMPORTS.items():
        arrows.setdefault(wing(module), set()).update(wing(other) for other in others)
    return {room: others - {room, "worker"} for room, others in arrows.items() if room != "worker"}


def circle(arrows: dict[str, set[str]]) -> set[str]:
    """What is in a circle, or only reached from one; nothing if arrows point one way."""
    left = {room: set(others) for room, others in arrows.items()}
    while ends := {room for room, others in left.items() if not others & left.keys()}:
        for room in ends:
            del left[room]
    return set(left)


@pytest.mark.parametrize("arrows", [IMPORTS, between_wings()], ids=["modules", "rooms"])
def test_imports_point_one_way(arrows: dict[str, set[str]]) -> None:
    assert circle({name: others - {"worker"} for name, others in arrows.items()}) == set()


@pytest.mark.parametrize("door", sorted(DOORS))
def test_doors_do_not_know_each_other(door: str) -> None:
    assert between_wings()[door] & DOORS == set()


def test_one_provider_s_library_is_known_behind_its_door_alone() -> None:
    assert who_imports("google", "httpx2") == GEMINI


def test_whoever_asks_a_model_knows_the_door_and_not_the_provider() -> None:
    """But for who puts the rooms together, and who checks this provider's key."""
    known = {module for module, others in IMPORTS.items() if others & GEMINI} - GEMINI
    assert known == {"worker.run", "worker.check.models"}


def test_the_api_s_errors_are_translated_in_one_place() -> None:
    assert who_imports("postgrest") == {"worker.database.api_errors"}


def test_a_reply_is_watched_in_one_place() -> None:
    """Its story tells what happened; spans, metrics and log lines are written by telemetry."""
    telemetry = {name for name in IMPORTS["worker.answer"] if wing(name) == "worker.telemetry"}
    assert telemetry == {"worker.telemetry.reply"}
    assert "structlog" not in packages(MODULES["worker.answer"])


def test_no_wing_knows_the_story() -> None:
    wings = {room: others for room, others in between_wings().items() if (ROOT / room.replace(".", "/")).is_dir()}
    assert {room: others & STORY for room, others in wings.items() if others & STORY} == {}


def test_a_deployed_worker_imports_no_stand_in() -> None:
    known = {room for room, others in between_wings().items() if "worker.local" in others}
    assert known == {"worker.__main__"}


def test_the_story_is_seen_at_a_glance() -> None:
    files = [path for path in (ROOT / "worker").iterdir() if path.is_file()]
    assert len(files) <= MOST_FILES, sorted(path.name for path in files)


def test_a_file_of_code_is_read_in_one_sitting() -> None:
    """All that is written by hand: the page's database types are made from the migrations."""
    folders = [ROOT / name for name in ("supabase", "tests", "worker")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in CODE and not is_made(path)]
    long = {str(path.relative_to(ROOT)): lines for path in files if (lines := count_lines(path)) > MOST_LINES}
    assert len(files) > 500
    assert long == {}


def is_made(path: Path) -> bool:
    return path.name == "database.types.ts" or "dist" in path.relative_to(ROOT).parts


def count_lines(path: Path) -> int:
    return path.read_text().count("\n")


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"a", "b", "c"}
