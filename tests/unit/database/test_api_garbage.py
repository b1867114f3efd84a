"""Whatever stands where the API should be answers anything, in any form: a call ends in one of its three ways, in
time, and the client works afterwards. By hand: GARBAGE_EXAMPLES=2000, and GARBAGE_SEED=1 for others than here.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.support.api_answers import ANSWERS
from tests.support.api_garbage import garbage
from tests.support.scripted_api import MESSAGE, Api, Garbage, whole
from worker.claim import Claim
from worker.config import WorkerSettings
from worker.database.replies import Beaten, Claimed, Replies
from worker.database.rpc import Database
from worker.errors import DatabaseAway, DatabaseRefused
from worker.rows import Call, ErrorCode, FinishReason, Reply

EXAMPLES = int(os.environ.get("GARBAGE_EXAMPLES", "100"))
SEED = os.environ.get("GARBAGE_SEED")
CALL_SECONDS = 0.25  # after which a call is given up
LONGEST_SECONDS = 30.0  # a machine that stands still is no finding; a call without an end is


def claim() -> Claim:
    made = Claim(Reply(MESSAGE, "session", "user", 1, 1, 4, "Why?", [], [], []), "w1", attempt=1, calls_left=4)
    made.text = "Because"
    return made


CALLED = Call("chat-1", model_requested="model", prompt_tokens=7)
Doing = Callable[[Replies], Awaitable[Any]]
# Each function of the database, and of what kind a result of it is.
CALLS: dict[str, tuple[Doing, tuple[type, ...]]] = {
    "register_worker": (lambda replies: replies.register("0.1.0", 50), (int,)),
    "claim_replies": (lambda replies: replies.claim(1, 20), (Claimed,)),
    "beat": (lambda replies: replies.beat([claim()], 1, 0.0), (Beaten,)),
    "save_drafts": (lambda replies: replies.save_drafts([claim()]), (type(None),)),
    "give_back": (lambda replies: replies.give_back(claim(), 1.0), (type(None),)),
    "next_attempt": (lambda replies: replies.next_attempt(claim(), ErrorCode.TRUNCATED, CALLED), (bool,)),
    "complete_reply": (lambda replies: replies.complete(claim(), FinishReason.STOP, CALLED), (bool,)),
    "fail_reply": (lambda replies: replies.fail(claim(), ErrorCode.TRUNCATED, 1.0, CALLED), (bool,)),
    "release_replies": (lambda replies: replies.release(), (tuple,)),
    "reconcile_replies": (lambda replies: replies.reconcile(600.0, 60.0), (dict, type(None))),
    "ops_queue": (lambda replies: replies.queue(), (dict,)),
}

KNOWN = [
    *(Garbage(whole(status, text.encode())) for status, text, _ in ANSWERS),
    Garbage(whole(200, b"true", b"content-encoding: gzip")),
    Garbage(b"", "close"),
    Garbage(b"", "reset"),
]

# What can come of a call, by the words of its error; each of these must have been met.
ENDS = {
    "a result": "",
    "SQLSTATE that passes": ": 57014",
    "SQLSTATE that does not": ": 23505",
    "PostgREST's that passes": ": PGRST00",
    "PostgREST's that does not": ": PGRST1",
    "status without a code": ": HTTP 5",
    "status that refuses": ": HTTP 404",
    "key": "(is the key of this project?)",
    "too large": ": 413",
    "no JSON": ": an answer that is not JSON",
    "another shape": ": an answer of another shape",
    "time-out": ": no answer in time",
    "no HTTP": ": RemoteProtocolError",
    "reset": ": ReadError",
    "not of this encoding": ": DecodingError",
}


async def outcome(name: str, replies: Replies) -> str:
    """Its words; empty: it was a result. Another end than these is none."""
    call, kinds = CALLS[name]
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            answer = await call(replies)
    except (DatabaseAway, DatabaseRefused) as error:
        return str(error)
    assert isinstance(answer, kinds), f"{name}: {answer!r}"
    return ""


async def works(replies: Replies) -> bool:
    """In the end: what was left in a connection may cost the next call, too."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while True:
            with contextlib.suppress(DatabaseAway):
                return await replies.register("0.1.0", 50) == 1


def test_whatever_answers_a_call_ends_and_the_next_one_works() -> None:
    met = set[str]()
    worker = WorkerSettings(_env_file=None, supabase_url="http://x", supabase_secret_key="k", gemini_api_key="k")

    async def one(api: Api, replies: Replies, name: str, told: Garbage) -> None:
        api.garbage = told
        words = await outcome(name, replies)
        api.garbage = None
        met.update(end for end, sign in ENDS.items() if (sign in words if sign else not words))
        assert await works(replies)
        assert not api.strangers, "a redirect was followed"

    with asyncio.Runner() as runner, capture_logs():
        api = runner.run(Api().__aenter__())
        at = worker.model_copy(update={"supabase_url": f"http://127.0.0.1:{api.port}"})
        hasty, patient = (
            Replies(database, database, 15.0, LONGEST_SECONDS)
            for seconds in (CALL_SECONDS, LONGEST_SECONDS)
            for database in [runner.run(Database.connect(at, seconds, 4))]
        )

        @seed(SEED)
        @settings(
            derandomize=SEED is None, max_examples=EXAMPLES, deadline=None, database=None,
            phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(name=st.sampled_from(list(CALLS)), told=garbage)
        def play(name: str, told: Garbage) -> None:
            runner.run(one(api, hasty, name, told))

        try:
            play()
            # Each row of the table, and each way to end, whatever was drawn.
            runner.run(one(api, hasty, "register_worker", Garbage(b"", "hold")))
            for told in KNOWN:
                runner.run(one(api, patient, "register_worker", told))
        finally:
            for each in (hasty, patient):
                runner.run(each.close())
            runner.run(api.__aexit__())

    assert met == set(ENDS)
