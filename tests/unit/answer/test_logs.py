"""Whatever happens to an answer, no log line holds text or a key."""

import asyncio
import json
import logging

import pytest
from structlog.testing import capture_logs

from tests.support.answering import BOUND, FakeReplies, a_lease, answerer_of, claimed
from tests.support.gemini import settings_of
from tests.support.scripted_model import Exchange, Script, ScriptedModel, chunk, refuses, says
from worker.model.gemini import Gemini
from worker.realtime.broadcast import Broadcaster

QUESTION, ANSWER, KEY, TOLD = "sentinel-question", "sentinel-answer", "sentinel-key", "sentinel-told"


async def broken(exchange: Exchange) -> None:
    await exchange.event(chunk(ANSWER))
    await exchange.raw(b"data: {" + ANSWER.encode() + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("script", "settled"),
    [
        (says(chunk(ANSWER, "STOP", usageMetadata={"promptTokenCount": 1})), "complete"),
        (says(chunk(ANSWER), chunk(finish="SAFETY")), "fail"),
        (says({"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": TOLD}}), "fail"),
        (broken, "fail"),
        (refuses(400, "INVALID_ARGUMENT", f"{TOLD} {QUESTION}"), "fail"),
        (refuses(404, "NOT_FOUND", TOLD), "fail"),
        (refuses(503, "UNAVAILABLE", TOLD), "fail"),
    ],
)
async def test_no_log_line_holds_text_or_a_key(
    script: Script, settled: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def answers(exchange: Exchange) -> None:
        if "broadcast" in exchange.request.path:
            await exchange.answer(500, {"message": TOLD})
        else:
            await script(exchange)

    # What the entry point lets libraries say.
    caplog.set_level(logging.WARNING)
    replies, claim = FakeReplies(), claimed(QUESTION, calls_left=1)
    with capture_logs() as lines:
        async with ScriptedModel(answers) as server:
            settings = settings_of(server, KEY)
            gemini, broadcaster = Gemini(settings), Broadcaster(settings)
            answerer = answerer_of(replies, gemini, broadcaster, models=["m"])
            sending = asyncio.create_task(broadcaster.run())
            await asyncio.wait_for(answerer.answer(claim, a_lease()), BOUND)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await gemini.close()
            await broadcaster.close()
        assert any(QUESTION in json.dumps(request.body) for request in server.requests)

    assert replies.settled[-1][0] == settled
    assert lines, "it says something"
    assert "sentinel" not in json.dumps(lines, default=repr) + caplog.text
