"""Settings of the local stack that cannot be used, told before anything starts."""

from pathlib import Path

import pytest

from worker.local import settings
from worker.local.processes import StartError


def test_two_services_at_one_port_are_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings.load()
    monkeypatch.setenv("WEB_PORT", "8001")
    with pytest.raises(StartError, match=r"WEB_PORT and HEALTH_PORT are the same port") as refused:
        settings.load()
    assert "Value error" not in str(refused.value)


def test_a_port_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCAL_API_PORT", "high")
    with pytest.raises(StartError, match="LOCAL_API_PORT: "):
        settings.load()
