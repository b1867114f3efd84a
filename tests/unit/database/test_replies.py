"""What a worker believes of its claims, against a database that answers as scripted."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError
from structlog.testing import capture_logs

from tests.support.replies import ALIVE_SECONDS, claim_of, replies_of
from tests.support.scripted_model import Exchange, ScriptedModel
from worker.config import WorkerSettings
from worker.database import offers
from worker.database.replies import Replies
from worker.errors import DatabaseAway, DatabaseRefused
from worker.rows import Call

CALL = Call("chat-1", model_requested="model", prompt_tokens=7)


def refuses(code: str) -> APIError:
    return APIError({"code": code, "message": "sentinel"})


def row_of(message_id: str = "m", **changes: Any) -> dict[str, Any]:
    context = {"question": "Why?", "history": [{"role": "user", "content": "Hi"}], "posts": [{}], "analyses": [{}]}
    return {
        "message_id": message_id,
        "session_id": "session",
        "user_id": "user",
        "attempt": 3,
        "version": 2,
        "calls_left": 4,
        "waiting_ms": 1500,
        "context": json.dumps(context),
    } | changes


def claimed(*rows: Any, **changes: Any) -> dict[str, Any]:
    return {"alive": True, "replies": list(rows), "next_due_in_ms": None, "refused": {}} | changes


def beaten(held: bool, attempt: int = 1, cancel_requested: bool = False) -> dict[str, Any]:
    lost = [] if held else [{"message_id": "m", "attempt": attempt}]
    return {"alive": True, "workers": 3, "lost": lost, "cancel_requested": ["m"] if cancel_requested else []}


PAUSE = offers.pause


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "pause", lambda _: 0.0)


# The two ends of a call


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
            await replies.complete(claim, "stop", CALL)
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
        crowd = [asyncio.create_task(replies.complete(claim_of(f"m{n}"), "stop", CALL)) for n in range(30)]
        assert (await asyncio.wait_for(replies.beat([], 0, 0.0), 5)).alive
        stored.set()
        assert await asyncio.gather(*crowd) == [True] * 30
        await replies.close()


STRANGE = [None, [], {}, "<html>", 7, {"replies": None}, {"replies": [7], "next_due_in_ms": "soon", "alive": 1}]


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


# Claims


async def test_a_claim_is_read() -> None:
    database, replies = replies_of(claim_replies=claimed(row_of(), next_due_in_ms=250, refused={"settled": 2}))

    found = await replies.claim(7, 5)

    assert database.words("claim_replies") == [{"worker_id": replies.worker_id, "claim": 7, "max_replies": 5}]
    [claim] = found.claims
    assert (claim.message_id, claim.attempt, claim.calls_left) == ("m", 3, 4)
    assert claim.worker_id == replies.worker_id
    assert (claim.reply.question, claim.reply.history[0].content, claim.reply.waiting_ms) == ("Why?", "Hi", 1500)
    assert (found.next_due_seconds, found.alive, found.refused, found.unreadable) == (0.25, True, {"settled": 2}, 0)


async def test_a_schema_that_is_newer_is_read() -> None:
    """The release before must work with it, so what it does not know it leaves."""
    context = json.loads(row_of()["context"]) | {"citations": []}
    context["history"][0]["turn"] = 1
    row = row_of(context=json.dumps(context), priority=3)
    _, replies = replies_of(claim_replies=claimed(row, tomorrow=True))

    assert [claim.message_id for claim in (await replies.claim(1, 5)).claims] == ["m"]


def test_a_worker_of_which_the_database_knows_nothing_learns_it() -> None:
    _, replies = replies_of(claim_replies=claimed(alive=False))

    assert not asyncio.run(replies.claim(1, 5)).alive


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in row_of("bad").items() if key != name}


UNREADABLE = {
    "nested 5,000 deep": row_of("bad", context='{"question": ' + "[" * 5000 + "]" * 5000 + "}"),
    "a number of 5,000 digits": row_of("bad", context='{"question": ' + "9" * 5000 + "}"),
    "no JSON": row_of("bad", context="<html>"),
    "null": row_of("bad", context=None),
    "a key of the context is missing": row_of("bad", context='{"question": "Why?"}'),
    "a key is missing": without("version"),
}


@pytest.mark.parametrize("bad", UNREADABLE.values(), ids=UNREADABLE)
async def test_one_row_that_cannot_be_read_fails_alone(bad: dict[str, Any]) -> None:
    database, replies = replies_of(claim_replies=claimed(row_of("m1"), bad, row_of("m2")), fail_reply=True)

    with capture_logs() as lines:
        found = await replies.claim(1, 5)

    assert [claim.message_id for claim in found.claims] == ["m1", "m2"]
    assert found.unreadable == 1
    [words] = database.words("fail_reply")
    assert (words["message_id"], words["attempt"], words["error_code"]) == ("bad", 3, "internal")
    assert (words["worker_id"], words["retry_in"]) == (replies.worker_id, None)
    assert [line["action"] for line in lines] == ["reply_unreadable"]


@pytest.mark.parametrize("bad", [{}, None, 7, [], without("message_id")])
@pytest.mark.parametrize("failed", [True, httpx.ReadTimeout("sentinel"), refuses("23514")])
async def test_nor_does_one_that_cannot_even_be_failed(bad: Any, failed: Any) -> None:
    _, replies = replies_of(claim_replies=claimed(bad, row_of("m1")), fail_reply=failed)

    assert [claim.message_id for claim in (await replies.claim(1, 5)).claims] == ["m1"]


# Beats


async def test_a_worker_says_that_it_lives_what_it_holds_and_which_models_it_asks() -> None:
    database, replies = replies_of(register_worker={"workers": 2}, beat=beaten(held=True))
    claim = claim_of()
    claim.model = "first"

    assert await replies.register("0.1.0", 50) == 2
    assert (await replies.beat([claim], 4, 12.5)).workers == 3
    await replies.beat([claim], 4, 0.0)
    claim.begin(2)
    claim.model = "second"
    await replies.beat([claim], 4, 0.0)

    me = {"worker_id": replies.worker_id, "alive_seconds": ALIVE_SECONDS}
    assert database.words("register_worker") == [{**me, "version": "0.1.0", "concurrency": 50}]
    assert database.words("beat") == [
        {
            **me,
            "claims_known": 4,
            "models_closed_seconds": 12.5,
            "held": ["m"],
            "attempts": [1],
            "asking": [{"message_id": "m", "attempt": 1, "model": "first"}],
        },
        # A call is named once.
        {**me, "claims_known": 4, "models_closed_seconds": None, "held": ["m"], "attempts": [1], "asking": []},
        {
            **me,
            "claims_known": 4,
            "models_closed_seconds": None,
            "held": ["m"],
            "attempts": [2],
            "asking": [{"message_id": "m", "attempt": 2, "model": "second"}],
        },
    ]


async def test_a_claim_that_is_held_lives_on_and_one_that_is_not_is_lost() -> None:
    claim = claim_of()
    _, replies = replies_of(beat=(beaten(held=True), beaten(held=False)))

    assert (await replies.beat([claim], 1, 0.0)).lost == []
    assert (await replies.beat([claim], 1, 0.0)).lost == [claim]
    assert not claim.cancel_requested.is_set()


async def test_a_stop_is_heard() -> None:
    claim = claim_of()
    _, replies = replies_of(beat=beaten(held=True, cancel_requested=True))

    await replies.beat([claim], 1, 0.0)

    assert claim.cancel_requested.is_set()


async def test_a_buried_worker_learns_it_and_begins_under_another_id() -> None:
    _, replies = replies_of(beat={"alive": False, "workers": 0, "lost": [], "cancel_requested": []})
    before = replies.worker_id

    assert not (await replies.beat([], 1, 0.0)).alive
    replies.begin_anew()

    assert replies.worker_id != before


async def test_an_attempt_that_is_just_being_ended_is_not_taken_for_lost() -> None:
    """The database has moved on to attempt 2; its word on attempt 1 overtakes the answer that says so."""
    database, replies = replies_of(beat=beaten(held=False), next_attempt=2)
    database.gates["next_attempt"] = asyncio.Event()
    claim = claim_of()
    moving = asyncio.create_task(replies.next_attempt(claim, "model_overloaded", CALL))
    await database.reached.wait()

    assert (await replies.beat([claim], 1, 0.0)).lost == []
    database.gates["next_attempt"].set()
    assert await moving
    assert (claim.attempt, claim.settling) == (2, False)


async def test_nor_is_one_whose_next_attempt_began_while_the_beat_was_under_way() -> None:
    database, replies = replies_of(beat=beaten(held=False))
    database.gates["beat"] = asyncio.Event()
    claim = claim_of()
    beating = asyncio.create_task(replies.beat([claim], 1, 0.0))
    await database.reached.wait()

    claim.begin(2)
    database.gates["beat"].set()

    assert (await beating).lost == []


def test_another_attempt_starts_afresh() -> None:
    claim = claim_of()
    claim.text, claim.length, claim.saved, claim.model, claim.call = "🧑", 2, 1, "first", CALL
    claim.settling = True

    claim.begin(2)

    assert (claim.attempt, claim.text, claim.length, claim.saved) == (2, "", 0, 0)
    assert (claim.model, claim.call, claim.settling) == (None, None, False)


# Settles


async def test_an_answer_is_offered_until_the_api_is_back() -> None:
    outage = (httpx.ConnectError("x"), refuses("55P03"), refuses("PGRST003"), KeyError("x"), True)
    database, replies = replies_of(complete_reply=outage)
    claim = claim_of()
    claim.text = "Because."

    assert await replies.complete(claim, "stop", CALL)

    assert len(database.asked) == 5
    assert all(asked == database.asked[0] for asked in database.asked)
    words = database.words("complete_reply")[0]
    assert (words["worker_id"], words["message_id"], words["attempt"]) == ("w1", "m", 1)
    assert (words["content"], words["finish_reason"]) == ("Because.", "stop")
    # The chat may be deleted by then: what was spent is noted all the same.
    assert words["call"]["prompt_tokens"] == 7
    assert (words["call"]["session_id"], words["call"]["user_id"]) == ("session", "user")


async def test_what_is_refused_for_a_reason_that_is_not_the_answers_is_offered_again() -> None:
    """A function that is just being replaced, perhaps."""
    database, replies = replies_of(complete_reply=(refuses("PGRST202"), refuses("42883"), True))

    assert await replies.complete(claim_of(), "stop", CALL)
    assert len(database.asked) == 3


@pytest.mark.parametrize("error", [refuses("PGRST202"), httpx.ConnectError("x"), refuses("PGRST303")])
async def test_but_not_for_ever(error: Exception) -> None:
    database, replies = replies_of(complete_reply=error, offer_seconds=0.05)

    with pytest.raises((DatabaseAway, DatabaseRefused)):
        await asyncio.wait_for(replies.complete(claim_of(), "stop", CALL), 5)
    assert len(database.asked) > 1


async def test_nor_unseen() -> None:
    """Fewer and fewer lines, or an outage with fifty answers fills the log."""
    _, replies = replies_of(complete_reply=(*[httpx.ConnectError("sentinel")] * 100, True))

    with capture_logs() as lines:
        assert await replies.complete(claim_of(), "stop", CALL)

    assert [line["offers"] for line in lines] == [1, 2, 4, 8, 16, 32, 64]
    assert {line["action"] for line in lines} == {"offered_again"}
    assert {line["reason"] for line in lines} == {"complete_reply: ConnectError"}
    assert lines[0]["message_id"] == "m"


NOT_A_SETTLE = [{}, [], 7.5, "true", {"ok": True}, [True], 1e400]


@pytest.mark.parametrize("answer", [*NOT_A_SETTLE, None, 1, 0])
async def test_an_answer_is_not_stored_because_somebody_says_something(answer: Any) -> None:
    """Nor is a claim lost by it: a gateway may answer 200 to everything."""
    database, replies = replies_of(complete_reply=(answer, True), fail_reply=(answer, True))

    assert await replies.complete(claim_of(), "stop", CALL)
    assert await replies.fail(claim_of(), "truncated", 1.0, CALL)
    assert len(database.asked) == 4


@pytest.mark.parametrize("answer", [*NOT_A_SETTLE, True, False])
async def test_nor_does_an_attempt_begin(answer: Any) -> None:
    database, replies = replies_of(next_attempt=(answer, 2))
    claim = claim_of()

    assert await replies.next_attempt(claim, "truncated", CALL)
    assert (claim.attempt, len(database.asked)) == (2, 2)


@pytest.mark.parametrize("code", ["22003", "22P05", "23514"])
async def test_what_is_refused_for_its_content_is_told_at_once(code: str) -> None:
    database, replies = replies_of(complete_reply=(refuses(code), True))

    with pytest.raises(DatabaseRefused):
        await replies.complete(claim_of(), "stop", CALL)
    assert len(database.asked) == 1


def state_after(error: Exception, number: int = 1) -> Any:
    return SimpleNamespace(outcome=SimpleNamespace(exception=lambda: error), attempt_number=number)


def test_between_two_offers_it_rests_as_long_as_the_api_wishes() -> None:
    assert 7 <= PAUSE(state_after(DatabaseAway("x", 7.0))) <= 10


@pytest.mark.parametrize("number", [1, 4, 100])
@pytest.mark.parametrize("wish", [None, 7.0])
def test_and_what_waits_for_the_same_does_not_come_back_together(number: int, wish: float | None) -> None:
    pauses = {PAUSE(state_after(DatabaseAway("x", wish), number)) for _ in range(50)}
    assert len(pauses) == 50
    assert max(pauses) - min(pauses) > 0.1
    assert max(pauses) <= max(offers.LONGEST_PAUSE_SECONDS, 10)


@pytest.mark.parametrize("is_held", [True, False])
async def test_whether_the_claim_was_still_held(is_held: bool) -> None:
    database, replies = replies_of(complete_reply=is_held, fail_reply=is_held, next_attempt=2 if is_held else None)

    assert await replies.complete(claim_of(), "stop", CALL) is is_held
    assert await replies.fail(claim_of(), "truncated", 2.5, CALL) is is_held
    assert await replies.next_attempt(claim_of(), "truncated", CALL) is is_held
    [words] = database.words("fail_reply")
    assert (words["error_code"], words["retry_in"]) == ("truncated", 2.5)


async def test_a_claim_is_given_back() -> None:
    database, replies = replies_of(give_back=1)
    claim = claim_of()

    await replies.give_back(claim, 2.5)

    assert database.words("give_back") == [
        {"worker_id": "w1", "replies": [{"message_id": "m", "attempt": 1}], "due_in": 2.5}
    ]
    assert claim.settling, "a beat under way does not take it for lost"


async def test_a_release_says_what_is_left() -> None:
    _, replies = replies_of(release_replies={"released": 20, "left": 3})
    assert await replies.release() == (20, 3)


@pytest.mark.parametrize(("answer", "wanted"), [(None, None), ({"mended": 1}, {"mended": 1}), ([], None)])
async def test_the_reconciler(answer: Any, wanted: Any) -> None:
    database, replies = replies_of(reconcile_replies=answer)
    assert await replies.reconcile(600.0, 60.0) == wanted
    assert database.words("reconcile_replies") == [{"max_wait_seconds": 600.0, "every_seconds": 60.0}]
