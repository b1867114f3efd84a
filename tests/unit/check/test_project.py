"""What answers at SUPABASE_URL, judged; and whether the keys may go on."""

import pytest

from tests.support.scripted_model import ScriptedModel
from worker.check import project

REFUSED = {"message": "Invalid API key"}


@pytest.mark.parametrize(
    ("answers", "accepted", "words"),
    [
        ([(200, {"version": "v2"})], True, "A Supabase project answers at "),
        ([(540, b"")], False, "The project is paused."),
        ([(401, REFUSED)], False, "The project refuses SUPABASE_SECRET_KEY: "),
        ([(200, {"version": "v2"}), (401, REFUSED)], True, "The project refuses SUPABASE_PUBLISHABLE_KEY: "),
        ([(200, b"<html>")], False, "What answers at SUPABASE_URL, "),
        ([(200, {})], False, "What answers at SUPABASE_URL, "),
        ([(307, b"")], False, "What answers at SUPABASE_URL, "),
    ],
)
async def test_what_each_answer_means(answers: list[tuple[int, object]], accepted: bool, words: str) -> None:
    scripts = [lambda exchange, each=each: exchange.answer(*each) for each in answers]
    async with ScriptedModel(*scripts) as server:
        found = await project.reach(server.url, "sb_secret_x", "sb_publishable_x")

    assert found.accepted is accepted
    problems = [finding for finding in found.findings if finding.level == "problem"]
    assert all(finding.remedy for finding in problems)
    told = problems or [finding for finding in found.findings if finding.subject == "project"]
    assert [finding.words.startswith(words) for finding in told] == [True]


async def test_what_the_first_answer_wants_to_be_remembered_by_is_forgotten() -> None:
    remembers = {"Set-Cookie": "__cf_bm=abc; path=/"}
    async with ScriptedModel(lambda exchange: exchange.answer(200, {"version": "v2"}, remembers)) as server:
        await project.reach(server.url, "sb_secret_x", "sb_publishable_x")

    assert [request.headers["apikey"] for request in server.requests] == ["sb_secret_x", "sb_publishable_x"]
    assert all("cookie" not in request.headers for request in server.requests)
