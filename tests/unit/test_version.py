"""One version: what a worker registers with is what the package is called."""

import tomllib
from pathlib import Path

import worker

ROOT = Path(__file__).resolve().parents[2]


def test_the_worker_says_the_version_of_its_package() -> None:
    assert worker.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
