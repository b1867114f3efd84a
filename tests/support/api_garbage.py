"""What may stand where an answer of the API should: heads, fields and bodies, each right or wrong."""

import gzip
import json

from hypothesis import strategies as st

from tests.support.api_answers import ANSWERS, HTML
from tests.support.scripted_api import GOOD, Garbage, whole

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
