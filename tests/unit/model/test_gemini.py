"""The real google-genai client against a scripted server: what it says, and what it costs to leave."""

import asyncio

import pytest
from google.genai import types

from tests.support.gemini import BOUND, PROMPT, heard, talking, usage
from tests.support.scripted_model import chunk, refuses, says
from worker.errors import (
    AccessRefused,
    ContentBlocked,
    Disconnected,
    EmptyReply,
    InternalError,
    ModelGone,
    ModelOverloaded,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
    TimedOut,
    Truncated,
)
from worker.rows import Usage

STOP = chunk(finish="STOP")


async def test_a_whole_answer():
    pieces, stream, error = await heard(says(chunk("Hel"), chunk("lo 🧑‍🍳\u2028"), STOP))

    assert error is None
    assert pieces == ["Hel", "lo 🧑‍🍳\u2028"]
    assert (stream.finish_reason, stream.model_version) == ("stop", "gemini-2.5-flash")
    assert 0 <= stream.first_token_ms <= stream.latency_ms


async def test_the_request():
    async with talking(says(chunk("x", "STOP"))) as (server, gemini):
        async with gemini.stream("gemini-2.5-flash", PROMPT) as stream:
            assert [piece async for piece in stream] == ["x"]
        [request] = server.requests

    assert request.path.endswith("/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
    assert request.headers["x-goog-api-key"] == "the-key"
    # The whole call's limit, not that of silence: the server may end the stream at it.
    assert request.headers["x-server-timeout"] == "91"
    assert request.body.keys() == {"contents", "systemInstruction", "generationConfig"}
    assert request.body["contents"] == [
        {"role": "user", "parts": [{"text": "Q"}]},
        {"role": "model", "parts": [{"text": "A"}]},
        {"role": "user", "parts": [{"text": "Why?"}]},
    ]
    assert request.body["systemInstruction"]["parts"] == [{"text": "Persona"}]
    assert request.body["generationConfig"] == {"maxOutputTokens": 77}


async def test_the_last_usage_is_the_usage():
    first = chunk("a", **usage(10, 1))
    last = chunk("b", "STOP", **usage(12, 5, cachedContentTokenCount=4, thoughtsTokenCount=3))

    _, stream, _ = await heard(says(first, last))

    assert stream.usage == Usage(prompt=12, cached=4, candidates=5, thoughts=3)


async def test_usage_is_kept_when_later_chunks_or_the_end_have_none():
    _, stream, error = await heard(says(chunk("a", **usage(10, 1)), chunk("b")))

    assert isinstance(error, Truncated)
    assert stream.usage == Usage(prompt=10, cached=0, candidates=1, thoughts=0)


async def test_thoughts_are_not_shown():
    thinking = chunk("x")
    thinking["candidates"][0]["content"]["parts"] = [{"text": "hmm", "thought": True}]
    mixed = chunk("x", "STOP")
    mixed["candidates"][0]["content"]["parts"] = [{"text": "hmm", "thought": True}, {"text": "So."}]

    pieces, stream, error = await heard(says(thinking, mixed))

    assert (pieces, error, stream.finish_reason) == (["So."], None, "stop")


async def test_only_thoughts_are_no_answer():
    thinking = chunk("x", "STOP")
    thinking["candidates"][0]["content"]["parts"] = [{"text": "hmm", "thought": True}]

    pieces, stream, error = await heard(says(thinking))

    assert pieces == []
    assert isinstance(error, EmptyReply)
    assert stream.first_token_ms is None


async def test_an_answer_of_the_greatest_length_is_an_answer():
    pieces, stream, error = await heard(says(chunk("long"), chunk(finish="MAX_TOKENS")))

    assert (pieces, stream.finish_reason, error) == (["long"], "max_tokens", None)


@pytest.mark.parametrize("reason", ["STOP", "MAX_TOKENS"])
async def test_an_end_without_a_word_is_empty(reason):
    spent = chunk(finish=reason, **usage(10, thoughtsTokenCount=77))

    pieces, stream, error = await heard(says(spent))

    assert pieces == []
    assert isinstance(error, EmptyReply)
    assert stream.usage == Usage(prompt=10, cached=0, candidates=0, thoughts=77)


# Every reason that Google's client knows, with what it means after some text, and without any.
ENDS = {
    "STOP": ("stop", EmptyReply),
    "MAX_TOKENS": ("max_tokens", EmptyReply),
    "SAFETY": (ContentBlocked, ContentBlocked),
    "RECITATION": (ContentBlocked, ContentBlocked),
    "LANGUAGE": (ContentBlocked, ContentBlocked),
    "BLOCKLIST": (ContentBlocked, ContentBlocked),
    "PROHIBITED_CONTENT": (ContentBlocked, ContentBlocked),
    "SPII": (ContentBlocked, ContentBlocked),
    "MODEL_ARMOR": (ContentBlocked, ContentBlocked),
    "ESCALATION": (ContentBlocked, ContentBlocked),
    "IMAGE_SAFETY": (ContentBlocked, ContentBlocked),
    "IMAGE_PROHIBITED_CONTENT": (ContentBlocked, ContentBlocked),
    "IMAGE_RECITATION": (ContentBlocked, ContentBlocked),
    "OTHER": (Truncated, EmptyReply),
    "FINISH_REASON_UNSPECIFIED": ("stop", EmptyReply),  # and so is one that nobody knows yet
    "MALFORMED_FUNCTION_CALL": (Truncated, EmptyReply),
    "MALFORMED_RESPONSE": (Truncated, EmptyReply),
    "UNEXPECTED_TOOL_CALL": (Truncated, EmptyReply),
    "TOO_MANY_TOOL_CALLS": (Truncated, EmptyReply),
    "MISSING_THOUGHT_SIGNATURE": (Truncated, EmptyReply),
    "IMAGE_OTHER": (Truncated, EmptyReply),
    "NO_IMAGE": (Truncated, EmptyReply),
    "PUP_LIMITED_DISABLED": (Truncated, EmptyReply),
    "CONTINUATION": (Truncated, EmptyReply),
}


def test_every_reason_of_the_library_is_in_the_table():
    """A new one must be thought about."""
    assert {reason.value for reason in types.FinishReason} == ENDS.keys()


@pytest.mark.parametrize(("reason", "ends"), ENDS.items())
async def test_every_way_to_finish(reason, ends):
    with_text, without = ends

    pieces, stream, error = await heard(says(chunk("some"), chunk(finish=reason)))
    assert pieces == ["some"]
    assert (stream.finish_reason or type(error)) == with_text

    pieces, stream, error = await heard(says(chunk(finish=reason)))
    assert pieces == []
    assert (stream.finish_reason or type(error)) == without


@pytest.mark.parametrize("reason", ["BRAND_NEW", 7, {"x": 1}, ["STOP"]])
async def test_a_reason_that_nobody_knows_yet_ends_an_answer_all_the_same(reason):
    """Its text was shown and is paid for; asked again, it would end the same way."""
    pieces, stream, error = await heard(says(chunk("whole"), chunk(finish=reason)))
    assert (pieces, stream.finish_reason, error) == (["whole"], "stop", None)

    _, _, error = await heard(says(chunk(finish=reason)))
    assert (type(error), str(error)) == (EmptyReply, "FINISH_REASON_UNSPECIFIED")


@pytest.mark.parametrize("reason", [reason.value for reason in types.BlockedReason])
async def test_every_way_to_block_a_prompt(reason):
    _, _, error = await heard(says({"promptFeedback": {"blockReason": reason}}))

    assert isinstance(error, ContentBlocked)


async def test_a_filtered_prompt_is_blocked():
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "v", **usage(10)}

    pieces, stream, error = await heard(says(blocked))

    assert pieces == []
    assert isinstance(error, ContentBlocked)
    assert stream.usage == Usage(prompt=10, cached=0, candidates=0, thoughts=0)


@pytest.mark.parametrize("events", [[], [{}], [{"candidates": []}], [chunk("half")], [chunk("")]])
async def test_an_end_without_a_reason_is_truncated(events):
    _, _, error = await heard(says(*events))

    assert isinstance(error, Truncated)


async def test_a_reset_is_truncated_and_what_came_is_shown():
    async def script(exchange):
        await exchange.event(chunk("half"))
        # The first piece is on its way to the reader, or the reset would overtake it.
        await shown.wait()
        await exchange.reset()

    shown = asyncio.Event()
    async with talking(script) as (server, gemini):
        async with gemini.stream("m", PROMPT) as stream:
            pieces = aiter(stream)
            assert await anext(pieces) == "half"
            shown.set()
            with pytest.raises(Disconnected):
                await anext(pieces)
        assert len(server.requests) == 1


async def test_a_reset_before_the_answer_is_truncated():
    _, _, error = await heard(lambda exchange: exchange.reset())

    assert isinstance(error, Disconnected)


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {not json sentinel\r\n\r\n",
        b": ping\r\n\r\n",
        b"event: x\r\n\r\n",
        b'data: {"cand',
        b"<html>sentinel</html>",
    ],
)
async def test_garbage_is_truncated_and_not_repeated(garbage):
    async def script(exchange):
        await exchange.event(chunk("half"))
        await exchange.raw(garbage)

    _, _, error = await heard(script)

    assert type(error) is Truncated, "no sign of a connection that breaks"
    assert "sentinel" not in str(error)


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23s"}
OTHER_DETAIL = {"@type": "type.googleapis.com/google.rpc.QuotaFailure"}


@pytest.mark.parametrize(
    ("details", "headers", "seconds"),
    [
        ([OTHER_DETAIL, RETRY_INFO], {}, 23.0),
        ([{**RETRY_INFO, "retryDelay": "0.5s"}], {}, 0.5),
        ([], {"Retry-After": "7"}, 7.0),
        ([RETRY_INFO], {"Retry-After": "7"}, 23.0),
        ([{**RETRY_INFO, "retryDelay": "soon"}], {"Retry-After": "7"}, 7.0),
        ([], {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ([OTHER_DETAIL], {}, None),
        ([{**RETRY_INFO, "retryDelay": "-3s"}], {"Retry-After": "7"}, 7.0),
        ([{**RETRY_INFO, "retryDelay": "nan"}], {}, None),
        ([{**RETRY_INFO, "retryDelay": "infs"}], {}, None),
    ],
)
async def test_the_limit_is_told_with_the_wish_of_the_provider(details, headers, seconds):
    _, _, error = await heard(refuses(429, "RESOURCE_EXHAUSTED", details=details, headers=headers))

    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


async def test_no_wish_is_waited_for_without_end():
    _, _, error = await heard(refuses(503, "UNAVAILABLE", headers={"Retry-After": "86400"}))

    assert isinstance(error, ModelOverloaded)
    assert error.retry_after == 900


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, InternalError),
        (401, AccessRefused),
        (403, AccessRefused),
        (404, ModelGone),
        (408, TimedOut),
        (413, PromptTooLong),
        (429, RateLimited),
        (500, ModelOverloaded),
        (502, ModelOverloaded),
        (503, ModelOverloaded),
        (504, TimedOut),
    ],
)
async def test_every_status_has_its_kind_and_its_text_is_not_repeated(code, kind):
    _, _, error = await heard(refuses(code, "STATUS", "sentinel"))

    assert type(error) is kind
    assert "sentinel" not in str(error)


async def test_too_many_tokens():
    _, _, error = await heard(
        refuses(400, "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number allowed.")
    )

    assert isinstance(error, PromptTooLong)


def quota(*names):
    """As Google names the limits that a 429 is about."""
    violations = [{"quotaId": f"GenerateRequests{name}PerProjectPerModel-FreeTier"} for name in names]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


@pytest.mark.parametrize(
    ("message", "details", "kind"),
    [
        ("Quota exceeded, limit: 10, model: m", [quota("PerMinute"), RETRY_INFO], RateLimited),
        ("Quota exceeded, limit: 250, model: m", [quota("PerDay")], QuotaSpent),
        ("Quota exceeded, limit: 250, model: m", [quota("PerMinute", "PerDay"), RETRY_INFO], QuotaSpent),
        ("Quota exceeded, limit: 0, model: m", [RETRY_INFO], QuotaSpent),
        ("Quota exceeded, limit: 0", [quota("PerMinute")], QuotaSpent),
        ("Quota exceeded, limit: 0.5, model: m", [], RateLimited),
        ("Resource exhausted", [{**RETRY_INFO, "retryDelay": "36620s"}], QuotaSpent),
        ("Resource exhausted", [{**quota(), "violations": "none"}], RateLimited),
        ("Resource exhausted", [{**quota(), "violations": ["x", {}]}], RateLimited),
    ],
)
async def test_a_limit_is_of_the_minute_or_of_the_day(message, details, kind):
    _, _, error = await heard(refuses(429, "RESOURCE_EXHAUSTED", message, details))

    assert type(error) is kind


def minute(name, value):
    """A violation, of a limit of calls or of tokens."""
    return {"quotaId": name, "quotaValue": value}


CALLS, TOKENS = "GenerateRequestsPerMinutePerProjectPerModel", "GenerateContentInputTokensPerModelPerMinute"


@pytest.mark.parametrize(
    ("violations", "limit"),
    [
        ([minute(CALLS, "60")], 60),
        ([minute(f"{CALLS}-FreeTier", 10)], 10),
        ([minute(TOKENS, "250000"), minute(CALLS, "60")], 60),
        ([minute(CALLS, "60"), minute(CALLS, "15")], 15),
        ([minute(TOKENS, "250000")], None),
        ([minute(CALLS, "many")], None),
        ([minute(CALLS, "0")], None),
        ([minute(CALLS, "-5")], None),
        ([{"quotaId": CALLS}], None),
        ([minute("GenerateRequestsPerSecond", "5")], None),
        ([], None),
    ],
)
async def test_a_limit_of_calls_is_told_with_its_number(violations, limit):
    details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}, RETRY_INFO]
    _, _, error = await heard(refuses(429, "RESOURCE_EXHAUSTED", "Quota exceeded", details))

    assert (type(error), error.limit, error.retry_after) == (RateLimited, limit, 23.0)


@pytest.mark.parametrize("body", [{"error": "slow down"}, {}, ["x"], "x", {"error": {"details": ["x"]}}])
async def test_a_limit_told_by_a_gateway_in_its_own_shape(body):
    _, _, error = await heard(lambda exchange: exchange.answer(429, body))

    assert isinstance(error, RateLimited)


async def test_an_error_within_the_stream():
    async def script(exchange):
        await exchange.event(chunk("half"))
        await exchange.event({"error": {"code": 503, "status": "UNAVAILABLE", "message": "sentinel"}})

    pieces, _, error = await heard(script)

    assert pieces == ["half"]
    assert isinstance(error, ModelOverloaded)


async def test_nobody_there_is_overloaded():
    async with talking(says(STOP)) as (server, gemini):
        await server.__aexit__()
        async with gemini.stream("m", PROMPT) as stream:
            with pytest.raises(ModelOverloaded):
                await anext(aiter(stream))


@pytest.mark.parametrize("first", [[], [chunk("half")]])
async def test_silence_beyond_the_limit_is_timed_out(first):
    async def script(exchange):
        for event in first:
            await exchange.event(event)
        await exchange.gone.wait()

    pieces, _, error = await asyncio.wait_for(heard(script, idle_seconds=0.2), BOUND)

    assert pieces == ["half"] * len(first)
    assert isinstance(error, TimedOut)


@pytest.mark.parametrize("first", [[], [chunk("")], [{**chunk(), **usage(10)}]], ids=["nothing", "empty", "usage"])
async def test_without_a_word_for_too_long_it_is_timed_out(first):
    """However busy the connection is."""

    async def script(exchange):
        while not exchange.gone.is_set():
            for event in first:
                await exchange.event(event)
            await asyncio.sleep(0.02)

    pieces, stream, error = await asyncio.wait_for(heard(script, first_token_seconds=0.2), BOUND)

    assert pieces == []
    assert isinstance(error, TimedOut)
    assert not error.is_of_the_provider
    assert stream.first_token_ms is None


async def test_the_first_word_ends_that_limit():
    async def script(exchange):
        await exchange.event(chunk("slow"))
        await asyncio.sleep(0.6)
        await exchange.event(chunk(" but steady", "STOP"))

    pieces, stream, error = await heard(script, first_token_seconds=0.5)

    assert (pieces, stream.finish_reason, error) == (["slow", " but steady"], "stop", None)


THOUGHT = chunk("")
THOUGHT["candidates"][0]["content"]["parts"] = [{"text": "hmm", "thought": True}]


@pytest.mark.parametrize(
    "thought", [THOUGHT, {**chunk(""), **usage(10, thoughtsTokenCount=7)}], ids=["said", "counted"]
)
async def test_so_does_a_thought(thought):
    """Said, or only counted: a model that thinks is at work."""

    async def script(exchange):
        await exchange.event(thought)
        await asyncio.sleep(1.2)
        await exchange.event(chunk("So.", "STOP"))

    pieces, stream, error = await heard(script, first_token_seconds=1.0)

    assert (pieces, stream.finish_reason, error) == (["So."], "stop", None)


async def test_after_a_thought_silence_is_the_limit():
    async def script(exchange):
        await exchange.event(THOUGHT)
        await exchange.gone.wait()

    pieces, stream, error = await asyncio.wait_for(heard(script, idle_seconds=0.2), BOUND)

    assert (pieces, stream.first_token_ms) == ([], None)
    assert isinstance(error, TimedOut)


def endless(gone: asyncio.Event):
    """Speaks for as long as anybody holds the connection."""

    async def script(exchange):
        await exchange.event(chunk("on and on"))
        await exchange.gone.wait()
        gone.set()

    return script


@pytest.mark.parametrize("leaving", ["by the end of the block", "by an error", "cancelled elsewhere"])
async def test_leaving_closes_the_connection_at_once(leaving):
    gone = asyncio.Event()
    elsewhere = asyncio.Event()

    async def read(gemini):
        async with gemini.stream("m", PROMPT) as stream:
            async for _ in stream:
                elsewhere.set()
                if leaving == "cancelled elsewhere":
                    await asyncio.Event().wait()
                if leaving == "by an error":
                    raise LookupError
                return

    async with talking(endless(gone)) as (server, gemini):
        reading = asyncio.create_task(read(gemini))
        await asyncio.wait_for(elsewhere.wait(), BOUND)
        if leaving == "cancelled elsewhere":
            reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

        await asyncio.wait_for(gone.wait(), 1)
        assert len(server.requests) == 1


async def test_leaving_before_anything_came_closes_it_too():
    gone, asked = asyncio.Event(), asyncio.Event()

    async def script(exchange):
        asked.set()
        await exchange.gone.wait()
        gone.set()

    async with talking(script) as (_, gemini):
        async with gemini.stream("m", PROMPT):
            await asyncio.wait_for(asked.wait(), BOUND)

        await asyncio.wait_for(gone.wait(), 1)


async def test_one_client_for_many_streams():
    async with talking(says(chunk("x", "STOP"))) as (server, gemini):

        async def ask():
            async with gemini.stream("m", PROMPT) as stream:
                return [piece async for piece in stream]

        assert await asyncio.gather(*(ask() for _ in range(20))) == [["x"]] * 20
        assert len(server.requests) == 20


@pytest.mark.parametrize(
    ("events", "is_final"),
    [
        ([chunk("a", **usage(10, 1)), chunk("b", "STOP", **usage(10, 5))], True),
        ([chunk("a", "STOP"), {**chunk(), **usage(10, 5)}], True),
        ([{"promptFeedback": {"blockReason": "SAFETY"}, **usage(10)}], True),
        ([chunk(finish="MAX_TOKENS", **usage(10, thoughtsTokenCount=77))], True),
        ([chunk("a", **usage(10, 1)), chunk("b", "STOP")], False),
        ([chunk("a", **usage(10, 1))], False),
        ([chunk("a", "STOP")], False),
    ],
)
async def test_figures_are_final_when_they_come_with_the_end_or_after_it(events, is_final):
    _, stream, _ = await heard(says(*events))

    assert stream.usage_is_final is is_final
