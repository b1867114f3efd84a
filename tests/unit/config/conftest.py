"""The environment of a command, as a test sets it."""

from pathlib import Path

import pytest

from tests.support.environment import GOOD, Environment
from worker.config import WebSettings, WorkerSettings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in {*WorkerSettings.model_fields, *WebSettings.model_fields}:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Call it with names and values; None takes a name away."""

    def put(**values: str | None) -> None:
        for name, value in {**GOOD, **values}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return put
