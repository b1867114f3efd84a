"""One version: what a worker registers with is what the package is called."""

import json
import tomllib
from pathlib import Path

import worker

ROOT = Path(__file__).resolve().parents[2]


def test_the_worker_says_the_version_of_its_package() -> None:
    assert worker.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_node_calls_it_by_the_same_version() -> None:
    """Without one, npm makes no bill of materials."""
    for name in ("package.json", "package-lock.json"):
        assert json.loads((ROOT / name).read_text())["version"] == worker.__version__
