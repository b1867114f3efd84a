"""A whole answer stays one, whatever else its provider, or what stands between, says or does."""

import asyncio
import json
import time
from typing import Any

import pytest

from tests.support.gemini import PROMPT, heard, talking, usage
from tests.support.scripted_model import Exchange, Script, chunk, says
from worker.errors import AccessRefused, ContentBlocked, EmptyReply, ModelOverloaded, Truncated
from worker.model import gemini as gemini_module
from worker.rows import Usage

USED = usage(12, 5)
WHOLE = [chunk("All of "), chunk("it.", "STOP", **USED)]


async def junk(exchange: Exchange) -> None:
    await exchange.raw(b"[DONE]\r\n\r\n")


async def bad_event(exchange: Exchange) -> None:
    await exchange.raw(b"data: [DONE]\r\n\r\n")


async def error_event(exchange: Exchange) -> None:
    await exchange.event({"error": {"code": 503, "status": "UNAVAILABLE"}})


async def bad_length(exchange: Exchange) -> None:
    exchange._writer.write(b"zz\r\n")
    await exchange._writer.drain()
    exchange._over = True


async def half(exchange: Exchange) -> None:
    await exchange.raw(b'data: {"cand')


async def end_of_connection(exchange: Exchange) -> None:
    exchange._over = True
    exchange._writer.close()


async def silence(exchange: Exchange) -> None:
    await exchange.gone.wait()


async def reset_once_read(exchange: Exchange) -> None:
    # Later than what it would overtake; a client that is content has left by then.
    try:
        await asyncio.wait_for(exchange.gone.wait(), 0.3)
    except TimeoutError:
        await exchange.reset()


AFTER = [junk, bad_event, error_event, bad_length, half, end_of_connection, silence, reset_once_read]


@pytest.mark.parametrize("reason", ["STOP", "MAX_TOKENS"])
@pytest.mark.parametrize("after", AFTER)
async def test_an_answer_with_its_end_is_whole_whatever_the_connection_does_after(
    after: Script, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini_module, "LAST_SECONDS", 0.5)

    async def script(exchange: Exchange) -> None:
        await says(chunk("All of "), chunk("it.", reason, **USED))(exchange)
        await after(exchange)

    pieces, stream, error = await heard(script)

    assert (pieces, stream.finish_reason, error) == (["All of ", "it."], reason.lower(), None)
    assert stream.usage == Usage(prompt=12, cached=0, candidates=5, thoughts=0)


async def test_a_length_that_is_too_short_cuts_no_answer() -> None:
    """The blank line after the last event is what it leaves out."""

    async def script(exchange: Exchange) -> None:
        content = b"".join(b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in WHOLE)
        await exchange.answer(200, content, {"Content-Length": str(len(content) - 2)})
        exchange._writer.close()

    pieces, stream, error = await heard(script)
    assert (pieces, stream.finish_reason, error) == (["All of ", "it."], "stop", None)


async def test_a_length_that_is_too_long_neither() -> None:
    async def script(exchange: Exchange) -> None:
        content = b"".join(b"data: " + json.dumps(event).encode() + b"\n" for event in WHOLE[1:])
        await exchange.answer(200, content, {"Content-Length": "5000"})
        exchange._writer.close()

    pieces, stream, error = await heard(script)
    assert (pieces, stream.finish_reason, error) == (["it."], "stop", None)


async def test_the_silence_after_the_end_is_no_time_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemini_module, "LAST_SECONDS", 1.0)

    async def script(exchange: Exchange) -> None:
        await says(*WHOLE)(exchange)
        await exchange.gone.wait()

    async with talking(script) as (_, gemini):
        begun = time.monotonic()
        async with gemini.stream("m", PROMPT) as stream:
            assert [piece async for piece in stream] == ["All of ", "it."]
        taken_ms = (time.monotonic() - begun) * 1000

    assert stream.latency_ms <= taken_ms - 900


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ([{}], None),
        ([usage(10, 5), {"usageMetadata": {"totalTokenCount": 15}}], Usage(10, 0, 5, 0)),
        ([usage(10, 5), usage(10)], Usage(10, 0, 5, 0)),
        ([{"usageMetadata": {"totalTokenCount": 15}}], None),
        ([usage(10)], Usage(10, 0, None, None)),
    ],
)
async def test_figures_told_in_part_are_kept_or_unknown_and_never_nothing(
    told: list[dict[str, Any]], known: Usage | None
) -> None:
    _, stream, error = await heard(says(*({**chunk("x"), **each} for each in told), chunk(finish="STOP")))
    assert (error, stream.usage) == (None, known)


async def test_what_follows_the_end_soon_is_heard() -> None:
    _, stream, error = await heard(says(chunk("x", "STOP"), {**chunk(), **usage(9, 1)}))
    assert (error, stream.usage) == (None, Usage(prompt=9, cached=0, candidates=1, thoughts=0))


@pytest.mark.parametrize(
    "events",
    [
        [chunk("some"), chunk(finish="SAFETY"), chunk(finish="STOP")],
        [chunk("some"), chunk(finish="STOP"), chunk(finish="SAFETY")],
        [chunk("some", "SAFETY"), chunk(" more", "STOP")],
        [chunk("some", "STOP"), {"promptFeedback": {"blockReason": "BRAND_NEW"}}],
    ],
)
async def test_what_a_filter_has_refused_stays_refused(events: list[dict[str, Any]]) -> None:
    _, _, error = await heard(says(*events))

    assert isinstance(error, ContentBlocked)
    assert str(error) in ("SAFETY", "BLOCKED_REASON_UNSPECIFIED")


def candidates(*each: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": list(each)}


def candidate(text: str, index: int | None, finish: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"content": {"parts": [{"text": text}]}}
    return {**made, **({} if index is None else {"index": index}), **({"finishReason": finish} if finish else {})}


async def test_of_several_answers_the_first_by_index_is_taken() -> None:
    events = [
        candidates(candidate("a1", 0), candidate("b1", 1)),
        candidates(candidate("b2", 1, "SAFETY"), candidate("a2", 0)),
        candidates(candidate("b3", 1)),
        candidates(candidate("a3", None, "STOP")),
    ]

    pieces, stream, error = await heard(says(*events))

    assert (pieces, stream.finish_reason, error) == (["a1", "a2", "a3"], "stop", None)


@pytest.mark.parametrize("text", [" ", "\n\n", "\x00", "\x00 \u00a0\u2003\u200b\ufeff", "\u200b"])
async def test_nothing_to_see_is_no_answer(text: str) -> None:
    _, _, error = await heard(says(chunk(text), chunk(text, "STOP")))
    assert isinstance(error, EmptyReply)


async def test_halves_of_a_sign_are_something_to_see() -> None:
    pieces, _, error = await heard(says(chunk("\ud83d"), chunk("\ude00", "STOP")))
    assert (pieces, error) == (["\ud83d", "\ude00"], None)


STATED = "The hook is a question, and the first three seconds answer it."


@pytest.mark.parametrize(
    "pieces",
    [
        [STATED[:20], STATED[20:], STATED],
        [STATED[:20], STATED[20:], ""],
        [STATED[:9], STATED[:30], STATED],
        [STATED[:3], STATED[:30], STATED, STATED],
        [STATED],
        [STATED, STATED],
    ],
)
async def test_what_is_said_again_is_stored_once(pieces: list[str]) -> None:
    """The last piece is the whole answer, or each of them is all of it so far."""
    shown, _, error = await heard(says(*(chunk(piece) for piece in pieces), chunk(finish="STOP")))
    assert ("".join(shown), error) == (STATED, None)


@pytest.mark.parametrize(
    "pieces", [["ha", "ha ha"], ["1", "10 tips"], ["- ", "- a"], ["no no", " no no"], [STATED, " ", STATED]]
)
async def test_what_may_repeat_itself_is_left_alone(pieces: list[str]) -> None:
    shown, _, _ = await heard(says(*(chunk(piece) for piece in pieces), chunk(finish="STOP")))
    assert "".join(shown) == "".join(pieces)


@pytest.mark.parametrize(
    "told",
    [
        usage(10, cachedContentTokenCount=50),
        usage(-1, -1),
        usage(2**31, 2**40),
        usage(12.5, "many"),
        usage(10, 5, promptTokensDetails=7),
        {"usageMetadata": 7},
        {"usageMetadata": {"candidatesTokenCount": int("9" * 4000)}},
        {"modelVersion": "x\x00\ud83d"},
        {"modelVersion": 7},
        {"modelVersion": "x" * 100_000},
        {"responseId": 7, "createTime": [], "sdkHttpResponse": 7, "brandNew": {"x": 1}},
        {"promptFeedback": 7},
        {"promptFeedback": {"safetyRatings": 7}},
    ],
)
async def test_nothing_that_is_only_accounted_for_costs_an_answer(told: dict[str, Any]) -> None:
    first = chunk("All of it.")
    first["candidates"][0] |= {
        "safetyRatings": 7,
        "citationMetadata": "x",
        "groundingMetadata": [],
        "avgLogprobs": "x",
    }

    pieces, stream, error = await heard(says(first, {**chunk(finish="STOP"), **told}))

    assert (pieces, stream.finish_reason, error) == (["All of it."], "stop", None)
    json.dumps([stream.model_version], ensure_ascii=False).encode()
    assert "\x00" not in (stream.model_version or "")


@pytest.mark.parametrize(
    "event",
    [7, [], "x", None, {"candidates": 7}, candidates({"content": 7}), candidates({"content": {"parts": [7]}})],
)
async def test_a_piece_that_cannot_be_read_is_no_answer(event: Any) -> None:
    pieces, _, error = await heard(says(chunk("half"), event, chunk(finish="STOP")))
    assert (pieces, type(error)) == (["half"], Truncated)


def framed(*lines: str, end: str = "\r\n") -> bytes:
    return "".join(f"{line}{end}" for line in lines).encode()


FIRST, LAST = json.dumps(WHOLE[0]), json.dumps(WHOLE[1])
PARTED = json.dumps(WHOLE[1], indent=1).splitlines()


@pytest.mark.parametrize(
    "stream",
    [
        framed(": ping", "", f"data: {FIRST}", "", ": ping", f"data: {LAST}", ""),
        framed("event: message", "id: 7", "retry: 100", f"data: {FIRST}", "", "event", f"data: {LAST}", ""),
        framed(f"data:{FIRST}", "", f"data:{LAST}", ""),
        framed(f"\ufeffdata: {FIRST}", "", f"data: {LAST}", ""),
        framed(f"data: {FIRST}", "", f"data: {LAST}", "", end="\n"),
        framed(f"data: {FIRST}", "", f"data: {LAST}", "", end="\r"),
        framed("brand-new: x", "x", f"data: {FIRST}", "", f"data: {LAST}"),
        framed(f"data: {FIRST}", "", *(f"data: {line}" for line in PARTED), "", "data", ""),
    ],
    ids=["comments", "fields", "no blank", "BOM", "LF", "CR", "unknown lines", "several lines"],
)
@pytest.mark.parametrize("size", [10_000, 7, 1])
async def test_every_manner_of_an_event_stream_is_read(stream: bytes, size: int) -> None:
    async def script(exchange: Exchange) -> None:
        for at in range(0, len(stream), size):
            await exchange.raw(stream[at : at + size])

    pieces, said, error = await heard(script)
    assert (pieces, said.finish_reason, error) == (["All of ", "it."], "stop", None)


async def test_an_event_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.model.gemini_http.LONGEST_EVENT", 10_000)

    async def script(exchange: Exchange) -> None:
        while not exchange.gone.is_set():
            await exchange.raw(b" " * 1000)

    _, _, error = await heard(script)
    assert isinstance(error, Truncated)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("wrapped", [False, True])
async def test_an_error_that_is_no_event_is_heard(indent: int | None, wrapped: bool) -> None:
    error_body: Any = {"error": {"code": 503, "status": "UNAVAILABLE"}}
    content = json.dumps([error_body] if wrapped else error_body, indent=indent).encode()

    _, _, error = await heard(lambda exchange: exchange.answer(200, content))
    assert (type(error), str(error)) == (ModelOverloaded, "503 UNAVAILABLE")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    """The key and the whole prompt would go with it, to whatever host; and one call is one request."""
    async with talking(says(chunk("never"))) as (elsewhere, _):
        target = {"Location": f"{elsewhere.url}/v1/models/m:streamGenerateContent?alt=sse"}
        _, _, error = await heard(lambda exchange: exchange.answer(status, b"", target))
        assert isinstance(error, AccessRefused)
        assert elsewhere.requests == []


@pytest.mark.parametrize("status", [200, 503])
async def test_no_cookie_is_kept(status: int) -> None:
    async def script(exchange: Exchange) -> None:
        body = b"data: " + json.dumps(chunk("x", "STOP")).encode() + b"\n\n"
        await exchange.answer(status, body, {"Set-Cookie": "who=we; Path=/; Max-Age=1000"})

    async with talking(script) as (server, gemini):
        for _ in range(2):
            async with gemini.stream("m", PROMPT) as stream:
                try:
                    assert [piece async for piece in stream] == ["x"]
                except ModelOverloaded:
                    assert status == 503
        assert len(server.requests) == 2
        assert all("cookie" not in request.headers for request in server.requests)


@pytest.mark.parametrize("status", [200, 503])
async def test_what_an_answer_has_beyond_its_length_is_never_another_s(status: int) -> None:
    """Two calls of two users: the bytes would be the second one's answer."""
    first = b"data: " + json.dumps(chunk("mine", "STOP")).encode() + b"\n\n"
    rest = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(first) + first

    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, first + rest, {"Content-Length": str(len(first))})

    async with talking(script, says(chunk("yours", "STOP"))) as (server, gemini):
        shown = []
        for _ in range(2):
            async with gemini.stream("m", PROMPT) as stream:
                try:
                    shown.append([piece async for piece in stream])
                except ModelOverloaded:
                    shown.append([])
        assert shown[1] == ["yours"]
        assert len(server.requests) == 2
