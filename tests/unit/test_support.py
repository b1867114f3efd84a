"""What tests share is in tests/support: no test module knows another one, and no helper knows a test."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "tests").rglob("*.py"))


def is_test(module: str) -> bool:
    return any(part.startswith("test_") or part == "conftest" for part in module.split("."))


def known_by(code: str) -> Iterator[str]:
    """Test modules that are imported, also in a function or relative to the module itself."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("tests")):
            names = [f"{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if is_test(name))


def test_no_module_imports_from_a_test_module() -> None:
    imports = {str(file.relative_to(ROOT)): list(known_by(file.read_text())) for file in FILES}
    assert len(imports) > 100
    assert {file: names for file, names in imports.items() if names} == {}


def test_only_packages_and_fixtures_lie_flat_in_tests() -> None:
    assert {file.name for file in FILES if file.parent.name == "tests"} <= {"__init__.py", "conftest.py"}


@pytest.mark.parametrize(
    "line",
    [
        "from tests.unit.test_answer import told",
        "from tests.unit import test_answer",
        "import tests.unit.test_answer",
        "from .test_answer import told",
        "from . import test_answer",
        "from tests.conftest import Connection",
        "def f():\n    from tests.unit.test_answer import told",
    ],
)
def test_an_import_from_a_test_is_seen(line: str) -> None:
    assert list(known_by(line))


def test_others_are_let_be() -> None:
    assert not list(known_by("from tests.support.people import People\nfrom fastapi import testclient"))
