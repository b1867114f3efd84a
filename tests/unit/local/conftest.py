"""The offline model, as the worker's client meets it over a socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.offline_model import OfflineModel, serving
from worker.config import WorkerSettings
from worker.model.gemini import Gemini


@pytest.fixture
def idle_seconds() -> float:
    """How long the client waits for the next piece. Tests of silence have a shorter one."""
    return 30.0


@pytest.fixture
async def offline_model(tmp_path: Path, idle_seconds: float) -> AsyncIterator[OfflineModel]:
    log = tmp_path / "calls.jsonl"
    async with serving(log, faults=True) as url:
        settings = WorkerSettings(
            _env_file=None,
            supabase_url="http://unused",
            supabase_secret_key="unused",
            gemini_api_key="k",
            gemini_base_url=url,
            model_idle_seconds=idle_seconds,
        )
        gemini = Gemini(settings)
        try:
            yield OfflineModel(url, gemini, log)
        finally:
            await gemini.close()
