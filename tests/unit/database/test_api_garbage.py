"""Whatever stands where the API should be answers anything, in any form: a call ends in one of its three ways, in
time, and the client works afterwards. By hand: GARBAGE_EXAMPLES=2000, and GARBAGE_SEED=1 for others than here.
"""

import asyncio
import contextlib
import gzip
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.support.api_answers import ANSWERS, HTML
from worker.claim import Claim
from worker.config import WorkerSettings
from worker.database import offers
from worker.database.replies import Beaten, Claimed, Replies
from worker.database.rpc import Database
from worker.errors import DatabaseAway, DatabaseRefused
from worker.rows import Call, Reply

EXAMPLES = int(os.environ.get("GARBAGE_EXAMPLES", "200"))
SEED = os.environ.get("GARBAGE_SEED")
CALL_SECONDS = 0.25  # after which a call is given up
LONGEST_SECONDS = 30.0  # a machine that stands still is no finding; a call without an end is
MESSAGE = "11111111-1111-4111-8111-111111111111"

End = Literal["keep", "close", "reset", "hold"]


@dataclass(frozen=True)
class Garbage:
    """The bytes that answer a call, and what becomes of the connection after them."""

    answer: bytes
    end: End = "keep"


class Api:
    """Answers the next call with what it is told to, and every other one as the database would."""

    def __init__(self) -> None:
        self.garbage: Garbage | None = None
        self.strangers = 0
        """Requests that no function of the database was asked by."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
                    await reader.readexactly(int(length.split(":")[1]))
                    function = head.split(" ")[1].removeprefix("/rest/v1/rpc/")
                    self.strangers += function not in GOOD
                    if not await self._answer(function, writer):
                        return
        finally:
            writer.close()

    async def _answer(self, function: str, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        garbage, self.garbage = self.garbage, None
        if garbage is None:
            writer.write(whole(200, json.dumps(GOOD.get(function)).encode()))
            return True
        writer.write(garbage.answer)
        if garbage.end == "hold":
            await asyncio.Event().wait()
        elif garbage.end == "reset":
            now = struct.pack("ii", 1, 0)  # without a word of farewell
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        return garbage.end == "keep"


def whole(status: int, body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 %d Word" % status, b"content-length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


GOOD = {
    "register_worker": {"workers": 1},
    "claim_replies": {"alive": True, "replies": [], "next_due_in_ms": None, "refused": {}},
    "beat": {"alive": True, "workers": 1, "lost": [], "cancel_requested": []},
    "save_drafts": [{"message_id": MESSAGE, "attempt": 1, "stored": 7}],
    "give_back": 1,
    "next_attempt": 2,
    "complete_reply": True,
    "fail_reply": True,
    "release_replies": {"released": 0, "left": 0},
    "reconcile_replies": None,
    "ops_queue": {"pending": 0, "oldest_pending_seconds": None},
}


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
    "next_attempt": (lambda replies: replies.next_attempt(claim(), "truncated", CALLED), (bool,)),
    "complete_reply": (lambda replies: replies.complete(claim(), "stop", CALLED), (bool,)),
    "fail_reply": (lambda replies: replies.fail(claim(), "truncated", 1.0, CALLED), (bool,)),
    "release_replies": (lambda replies: replies.release(), (tuple,)),
    "reconcile_replies": (lambda replies: replies.reconcile(600.0, 60.0), (dict, type(None))),
    "ops_queue": (lambda replies: replies.queue(), (dict,)),
}

odd_text = st.sampled_from(["\x00", "\ud83c", "22003", "57014", "PGRST303", "PT409", "<html>"]) | st.text(max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | odd_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_text, inner, max_size=4),
    max_leaves=10,
)
# A result in which one thing is not as it should be.
results = st.builds(
    lambda good, key, value: {**good, key: value} if isinstance(good, dict) else value,
    st.sampled_from(list(GOOD.values())),
    st.sampled_from(["alive", "workers", "lost", "cancel_requested", "replies", "next_due_in_ms", "refused", "left"]),
    json_values | st.lists(st.fixed_dictionaries({"message_id": json_values, "attempt": json_values}), max_size=2),
)
deep = st.sampled_from([b"[" * 100_000, b'{"replies":' * 20_000, b"9" * 5_000, b"\xff\xfe\x00", b"\xef\xbb\xbfnull"])
bodies = st.one_of(
    st.sampled_from([text for _, text, _ in ANSWERS]).map(str.encode),
    json_values.map(lambda value: json.dumps(value).encode()),
    results.map(lambda value: json.dumps(value).encode()),
    results.map(lambda value: gzip.compress(json.dumps(value).encode())),
    st.binary(max_size=60),
    st.just(HTML.encode("utf-16")),
    deep,
)
lines = st.sampled_from(
    [
        b"content-type: text/html", b"content-type: application/json; charset=utf-16",
        b"content-type: application/json; charset=\xff", b"content-type: text/plain; charset=rot13",
        b"content-type: application/json;;;=", b"content-encoding: gzip", b"content-encoding: deflate, gzip",
        b"content-encoding: br", b"content-encoding: nonsense", b"content-encoding: zstd",
        b"transfer-encoding: chunked", b"transfer-encoding: gzip", b"content-length: 3", b"content-length: -1",
        b"content-length: 99999999999999999999", b"content-length: 7, 7", b"connection: close",
        b"connection: upgrade",
        b"retry-after: 1e9", b"retry-after: \xff", b"retry-after: Fri, 99 Nov 2026 09:00:00 GMT", b"retry-after: 0",
        b"set-cookie: a=b; domain=.; expires=\xff", b"set-cookie: =;;;; path=", b"set-cookie: s=1; path=/",
        b"proxy-status: PostgREST; error=PGRST002", b'proxy-status: "PostgREST"; error="\\', b"content-range: x-y/z",
        b"location: /elsewhere", b"location: http://127.0.0.1:1/", b"location: \xff//", b"upgrade: h2c",
        b"x: " + b"y" * 70_000, b"no colon", b": no name", b" folded: line", b"\x00: \x00",
    ]
)  # fmt: skip
heads = st.sampled_from(
    [b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/2 ", b"HTTP/1.1", b"\x16\x03\x01", b"PRI * HTTP/2.0", b""]
)
statuses = st.sampled_from([200, 204, 304, 401, 404, 413, 429, 500, 502, 503, 520, 530]) | st.integers(100, 999)


@st.composite
def odd_answers(draw: st.DrawFn) -> bytes:
    """Of parts that may each be right or wrong, cut off at any byte."""
    body = draw(bodies)
    status = draw(statuses)
    first = draw(st.just(b"HTTP/1.1 ") | heads) + str(status).encode() + b" Word"
    fields = draw(st.lists(lines, max_size=4))
    if draw(st.booleans()):
        fields.append(b"content-length: %d" % len(body))
    answer = b"\r\n".join([first, *fields, b"", body])
    informational = draw(st.sampled_from([b"", b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 100\r\n\r\n"]))
    answer = informational + answer
    return answer[: draw(st.just(len(answer)) | st.integers(0, len(answer)))]


proper_answers = st.builds(
    lambda answer, more: whole(answer[0], answer[1].encode(), *more),
    st.sampled_from(ANSWERS),
    st.lists(lines, max_size=1),
) | st.builds(lambda body, more: whole(200, body, *more), bodies, st.lists(lines, max_size=1))
garbage = st.builds(
    Garbage,
    proper_answers | odd_answers() | st.binary(max_size=200),
    st.sampled_from(["keep"] * 3 + ["close"] * 14 + ["reset"] * 3 + ["hold"]),
)

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


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "pause", lambda _: 0.0)


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
