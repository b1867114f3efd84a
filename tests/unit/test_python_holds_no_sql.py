"""State changes are SQL functions, and Python calls them by name: outside worker/local/ it holds no SQL."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

WORKER = Path(__file__).resolve().parents[2] / "worker"
DRIVERS = {"psycopg", "psycopg2", "psycopg_pool", "asyncpg", "sqlalchemy"}
STATEMENT = re.compile(
    r"\b(select\b.+\bfrom\b|insert\s+into\b|update\s+\S+\s+set\b|delete\s+from\b)", re.IGNORECASE | re.DOTALL
)


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def strings(tree: ast.AST) -> Iterator[str]:
    """All string constants but docstrings, which may speak of anything."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def problems(source: str) -> list[str]:
    tree = ast.parse(source)
    drivers = [name for name in imported(tree) if name.split(".")[0] in DRIVERS]
    return drivers + [text for text in strings(tree) if STATEMENT.search(text)]


def test_worker_holds_no_sql() -> None:
    files = [file for file in sorted(WORKER.rglob("*.py")) if WORKER / "local" not in file.parents]
    assert files
    found = {str(file.relative_to(WORKER)): problems(file.read_text()) for file in files}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import psycopg",
        "from psycopg.rows import dict_row",
        "def f():\n    import sqlalchemy.orm",
        "x = 'select id from posts'",
        "x = 'SELECT *\\nFROM posts'",
        "x = f'delete from {table}'",
        "x = 'update posts set caption = 1'",
        "x = 'insert into posts values (1)'",
    ],
)
def test_it_would_be_seen(source: str) -> None:
    assert problems(source)


@pytest.mark.parametrize("source", ["'''Select one from the list.'''", "x = 'select'", "x = 'deleted from it'"])
def test_plain_words_are_no_sql(source: str) -> None:
    assert problems(source) == []
