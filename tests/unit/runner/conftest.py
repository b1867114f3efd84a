"""A runner that beats, backs off and releases without long waits."""

import pytest

from worker import runner as runner_module


@pytest.fixture(autouse=True)
def _everything_comes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(runner_module, "COALESCE_SECONDS", 0.0)
    monkeypatch.setattr(runner_module, "FIRST_BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(runner_module, "RELEASE_SECONDS", 0.2)
    monkeypatch.setattr(runner_module, "RELEASE_PAUSE_SECONDS", 0.01)
