"""What may stand where an answer of Gemini's should: events, refusals, heads and frames, each right or wrong."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

from google.genai import types
from hypothesis import strategies as st

from tests.support.raw_answers import Answer
from tests.support.scripted_model import chunk
from worker.model import endings

# Values of any type, and of those that are nearly right
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-5, 2**32) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
words = st.text(st.characters() | st.sampled_from("\x00\ud83d\ude00 \n\u200b\u2028"), max_size=30)
figures = st.integers(-5, 2**32) | st.integers(0, 5000) | values


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.sampled_from([choice for times, choice in choices for _ in range(times)]).flatmap(lambda choice: choice)


reasons = st.sampled_from([*(reason.value for reason in types.FinishReason), "STOP", "MAX_TOKENS", "BRAND_NEW"])
parts = some(text=words, thought=st.booleans()) | values
contents = st.fixed_dictionaries({"parts": st.lists(parts, max_size=3) | values}) | values
candidates = some(
    content=contents, finishReason=reasons | values, index=st.integers(0, 1) | values, safetyRatings=values
)
errors = some(
    code=st.sampled_from([400, 429, 500, 503, 999]) | values,
    status=st.sampled_from(sorted(endings.STATUS_OF_WORD)) | values,
    message=st.sampled_from(["token exceeds", "API key not valid", "limit: 0", "payload size exceeds"]) | values,
    details=values | st.lists(some(**{"@type": st.just("x.RetryInfo"), "retryDelay": st.just("7s") | values})),
)
events = some(
    candidates=st.lists(candidates, max_size=2) | values,
    usageMetadata=some(
        promptTokenCount=figures,
        cachedContentTokenCount=figures,
        candidatesTokenCount=figures,
        thoughtsTokenCount=figures,
        promptTokensDetails=values,
    )
    | values,
    modelVersion=words | values,
    promptFeedback=some(blockReason=st.sampled_from(["SAFETY", "BRAND_NEW"]) | values) | values,
)
pieces = st.builds(chunk, words | st.just("a word"))
lasts = st.builds(chunk, words | st.just("a word"), st.sampled_from(["STOP", "STOP", "MAX_TOKENS"]) | reasons)


def line(event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode()


ends = st.sampled_from([b"\r\n", b"\n", b"\r"])
odd_lines = [b": ping", b"event: x", b"id", b"data: [DONE]", b"data", b"{", b"\xef\xbb\xbf", b"\xff", b""]
lines = weighted(
    (8, pieces.map(line)),
    (4, lasts.map(line)),
    (3, events.map(line)),
    (1, errors.map(lambda error: line({"error": error}))),
    (2, st.sampled_from(odd_lines)),
    (1, st.binary(max_size=20)),
)
streams = st.builds(
    lambda found, last, end, gap: b"".join(each + end + gap * end for each in [*found, last]),
    st.lists(lines, max_size=4),
    weighted((3, lasts.map(line)), (1, lines)),
    ends,
    weighted((9, st.just(1)), (1, st.just(0))),
)
refusals = (errors.map(lambda error: {"error": error}) | values | errors.map(lambda error: [{"error": error}])).map(
    lambda body: json.dumps(body).encode()
)
streamed = weighted((8, streams), (1, refusals), (1, st.binary(max_size=200)))
refused = weighted((2, streams), (6, refusals), (2, st.binary(max_size=200)))
odd_headers = st.sampled_from(
    [
        b"Content-Type: text/event-stream",
        b"Content-Type: application/json; charset=utf-16",
        b"Content-Type: x; charset=none",
        b"Location: http://127.0.0.1:1/",
        b"Location: //[",
        b"Set-Cookie: a=b; Path=/",
        b"Set-Cookie: \xff",
        b"Retry-After: 7",
        b"Retry-After: \xff",
        b"Connection: close",
        b"X: \xe9",
        b"Content-Encoding: brand-new",
        b"Transfer-Encoding: brand-new",
        b"Content-Length: -1",
        b"no header at all",
        b"X: " + b"x" * 5000,
    ]
)
encodings: dict[bytes, Callable[[bytes], bytes]] = {
    b"": bytes,
    b"Content-Encoding: gzip\r\n": gzip.compress,
    b"Content-Encoding: deflate\r\n": zlib.compress,
    b"content-encoding: gzip\r\n": bytes,  # it is not
}
FRAMES = ["chunked", "length", "too short", "too long", "none"]


def framed(head: bytes, body: bytes, frame: str, encoding: bytes) -> bytes:
    body = encodings[encoding](body)
    head += encoding
    if frame == "chunked":
        cut = len(body) // 2
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:cut], body[cut:]) if piece)
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"
    if frame == "none":
        return head + b"\r\n" + body
    length = len(body) + {"length": 0, "too short": -2, "too long": 100}[frame]
    return head + b"Content-Length: %d\r\n\r\n" % max(0, length) + body


heads = st.binary(max_size=30) | st.sampled_from([b"HTTP/2 200\r\n", b"HTTP/1.0 200 OK\r\n", b""])


@st.composite
def answers(draw: st.DrawFn, status: int) -> Answer:
    head = draw(weighted((14, st.just(b"HTTP/1.1 %d Some Words\r\n" % status)), (1, heads)))
    head += b"".join(header + b"\r\n" for header in draw(weighted((3, st.just([])), (1, st.lists(odd_headers)))))
    encoding = draw(st.sampled_from([*[b""] * 8, *encodings]))
    frame = draw(st.sampled_from([*["chunked", "length"] * 3, *FRAMES]))
    content = framed(head, draw(streamed if status == 200 else refused), frame, encoding)
    cut = draw(weighted((3, st.none()), (1, st.integers(0, len(content)))))
    # What waits for a limit takes as long as that.
    manner = draw(st.sampled_from([*["close"] * 8, "reset", "silence"]))
    return Answer(content[:cut], draw(st.sampled_from([100_000, 100_000, 50, 7])), manner)
