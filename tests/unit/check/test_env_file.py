"""A `.env` that others may read or write is named; its content is not."""

import asyncio
from pathlib import Path

import pytest

from worker.check import command, env_file, models

SECRET = "sb_secret_in_a_file"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"SUPABASE_SECRET_KEY={SECRET}\n")
    return tmp_path / ".env"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620])
def test_one_for_others_is_named_with_what_to_do(file: Path, mode: int) -> None:
    file.chmod(mode)
    [finding] = env_file.judge()
    assert (finding.level, finding.remedy) == ("warning", "Run: chmod 600 .env")
    assert f"mode {mode:o}" in finding.words
    assert SECRET not in finding.line


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_one_of_its_owner_alone_is_not(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert env_file.judge() == []


def test_settings_without_a_file_are_no_fault(file: Path) -> None:
    file.unlink()
    assert env_file.judge() == []


def test_the_check_looks_at_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> list[object]:
        return []

    file.chmod(0o644)
    monkeypatch.setattr(command, "_project", nothing)
    monkeypatch.setattr(models, "ask", nothing)
    settings = command.CheckSettings(supabase_url="https://abc.supabase.co", gemini_api_key="x")
    assert "chmod 600 .env" in [
        finding.remedy.removeprefix("Run: ") for finding in asyncio.run(command.check(settings))
    ]
