"""Why a model does not answer, and what to do about it."""

import pytest

from tests.support.scripted_model import Script, ScriptedModel, refuses
from worker.check import models
from worker.config import WorkerSettings


@pytest.mark.parametrize(
    ("script", "level", "words"),
    [
        (refuses(404, "NOT_FOUND"), "problem", "There is no model m."),
        (refuses(403, "PERMISSION_DENIED"), "problem", "The provider refuses GEMINI_API_KEY for m (403"),
        (refuses(429, "RESOURCE_EXHAUSTED", "limit: 0"), "warning", "m is there, and this key's quota of it is"),
        (refuses(429, "RESOURCE_EXHAUSTED"), "warning", "m is there, and this key's limit is reached"),
        (refuses(503, "UNAVAILABLE"), "problem", "m cannot be reached, or is overloaded (503"),
        (refuses(504, "DEADLINE_EXCEEDED"), "problem", "m cannot be reached, or is overloaded (504"),
        (refuses(422, "INVALID_ARGUMENT"), "problem", "m gave no answer (422"),
    ],
)
async def test_each_reason_is_told_with_what_to_do(script: Script, level: str, words: str) -> None:
    async with ScriptedModel(script) as server:
        settings = WorkerSettings(
            _env_file=None,
            supabase_url="http://unused",
            supabase_secret_key="unused",
            gemini_api_key="unused",
            gemini_base_url=server.url,
            gemini_models="m",
        )
        [finding] = [each for each in await models.ask(settings) if each.subject == "model"]

    assert finding.level == level
    assert finding.words.startswith(words)
    assert finding.remedy
