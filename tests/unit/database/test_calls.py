"""A call of the database's functions: how it is refused, that it is away, and answers of another shape."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.replies import CALL, claim_of, refuses, replies_of
from tests.support.scripted_model import Exchange, ScriptedModel
from worker.config import WorkerSettings
from worker.database.replies import Replies
from worker.errors import DatabaseAway, DatabaseRefused
from worker.rows import FinishReason


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnicodeEncodeError("utf-8", "\ud83c", 0, 1, "sentinel"), "22021"),
        (refuses("23514"), "23514"),
        (refuses("PGRST202"), "PGRST202"),
    ],
)
async def test_what_is_refused(error: Exception, code: str) -> None:
    _, replies = replies_of(claim_replies=error)
    with pytest.raises(DatabaseRefused) as refused:
        await replies.claim(1, 1)
    assert refused.value.code == code
    assert "sentinel" not in str(refused.value)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("sentinel"),
        RecursionError("sentinel"),
        RuntimeError("sentinel"),
        TimeoutError("sentinel"),
        httpx.ReadTimeout("sentinel"),
        httpx.RemoteProtocolError("sentinel"),
        refuses("57014"),
    ],
)
async def test_whatever_else_the_client_raises_is_an_api_that_is_away(error: Exception) -> None:
    _, replies = replies_of(claim_replies=error)
    with pytest.raises(DatabaseAway) as away:
        await replies.claim(1, 1)
    assert str(away.value).startswith("claim_replies: ")
    assert "sentinel" not in str(away.value)


async def test_a_cancellation_is_no_error_of_the_database() -> None:
    _, replies = replies_of(claim_replies=asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await replies.claim(1, 1)


async def test_half_a_surrogate_pair_never_leaves_the_house() -> None:
    """With the real client: no request is made, and none is repeated."""
    async with ScriptedModel(lambda exchange: exchange.answer(200, True)) as server:
        replies = await Replies.connect(
            WorkerSettings(
                _env_file=None, supabase_url=server.url, supabase_secret_key="key", gemini_api_key="unused"
            )
        )
        claim = claim_of()
        claim.text = "half \ud83c"
        with pytest.raises(DatabaseRefused) as refused:
            await replies.complete(claim, FinishReason.STOP, CALL)
        await replies.close()
    assert refused.value.is_of_the_content
    assert server.requests == []


async def test_beats_do_not_wait_behind_a_crowd_of_answers() -> None:
    """They have a connection of their own."""
    stored = asyncio.Event()

    async def answers(exchange: Exchange) -> None:
        if exchange.request.path.endswith("/beat"):
            await exchange.answer(200, {"alive": True, "workers": 1, "lost": [], "cancel_requested": []})
        else:
            await stored.wait()
            await exchange.answer(200, True)

    async with ScriptedModel(answers) as server:
        settings = WorkerSettings(
            _env_file=None,
            supabase_url=server.url,
            supabase_secret_key="key",
            gemini_api_key="unused",
            worker_concurrency=1,
        )
        replies = await Replies.connect(settings)
        crowd = [asyncio.create_task(replies.complete(claim_of(f"m{n}"), FinishReason.STOP, CALL)) for n in range(30)]
        assert (await asyncio.wait_for(replies.beat([], 0, 0.0), 5)).alive
        stored.set()
        assert await asyncio.gather(*crowd) == [True] * 30
        await replies.close()


STRANGE: list[Any] = [
    None,
    [],
    {},
    "<html>",
    7,
    {"replies": None},
    {"replies": [7], "next_due_in_ms": "soon", "alive": 1},
]


@pytest.mark.parametrize("answer", STRANGE)
async def test_a_strange_answer_is_none(answer: Any) -> None:
    """A gateway's, perhaps: postgrest-py hands on a 200 that is not JSON as text."""
    functions = ("register_worker", "claim_replies", "beat", "release_replies", "ops_queue")
    _, replies = replies_of(**dict.fromkeys(functions, answer))
    for function, call in (
        ("register_worker", replies.register("0", 1)),
        ("claim_replies", replies.claim(1, 1)),
        ("beat", replies.beat([claim_of()], 0, 0.0)),
        ("release_replies", replies.release()),
        ("ops_queue", replies.queue()),
    ):
        with pytest.raises(DatabaseAway, match=rf"^{function}: an answer (of another shape|that is not JSON)$"):
            await call


@pytest.mark.parametrize("answer", [{"pending": "many", "oldest_pending_seconds": 1}, {"pending": 1}])
async def test_a_strange_word_on_the_queue_costs_a_figure_and_not_the_worker(answer: Any) -> None:
    _, replies = replies_of(ops_queue=answer)
    with pytest.raises(DatabaseAway, match="ops_queue"):
        await replies.queue()


@pytest.mark.parametrize("answer", [7, None, [7], [{"message_id": "m"}]])
async def test_and_one_on_drafts_saves_none(answer: Any) -> None:
    _, replies = replies_of(save_drafts=answer)
    claim = claim_of()
    claim.text = "text"
    with pytest.raises(DatabaseAway, match="save_drafts"):
        await replies.save_drafts([claim])
    assert claim.saved == 0
