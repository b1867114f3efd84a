"""What the check says where the database gives no answer."""

import json

import pytest

from tests.support.scripted_model import Exchange, ScriptedModel
from worker.check.database import ask


def coded(code: str) -> bytes:
    return json.dumps({"code": code, "message": "sentinel"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, coded("PGRST202"), "the migrations are not applied"),
        (403, coded("42501"), "The secret key may not ask the database"),
        (500, coded("57P01"), "gave no answer (code 57P01)"),
        (502, b"<html>sentinel</html>", "gave no answer (code 502)"),
        (401, b'{"message": "sentinel"}', "does not answer for the database (no code)"),
    ],
)
async def test_an_answer_that_is_no_result_is_told_by_its_code(status: int, body: bytes, words: str) -> None:
    async def answers(exchange: Exchange) -> None:
        await exchange.answer(status, body)

    async with ScriptedModel(answers) as server:
        answer = await ask(server.url, "sb_secret_x")

    [finding] = answer.findings
    assert (finding.level, answer.facts) == ("problem", None)
    assert words in finding.words
    assert "sentinel" not in finding.words


async def test_where_nobody_answers_it_says_why() -> None:
    async with ScriptedModel() as server:
        url = server.url

    [finding] = (await ask(url, "sb_secret_x")).findings
    assert finding.words == "The API does not answer for the database (ConnectError)."
