"""How long a request is said to be, and how long it may be."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.support.served import Served, request
from worker.network import clients

CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("1.1", ["Content-Length: 5", CHUNKED]),
        ("1.1", [CHUNKED, "Content-Length: 5"]),
        ("1.1", [CHUNKED.upper(), "content-length:5"]),
        ("1.1", ["Content-Length: 5", "Transfer-Encoding: \tchunked "]),
        ("1.1", ["Content-Length: 5", "Transfer-Encoding:"]),
        ("1.1", ["Content-Length: 5", "Expect: 100-continue", CHUNKED]),
        ("1.1", ["Content-Length: 5", "Content-Length: 5"]),
        ("1.1", ["Content-Length: 5, 5"]),
        ("1.1", ["Content-Length: +5"]),
        ("1.1", [CHUNKED, CHUNKED]),
        ("1.1", ["Transfer-Encoding: chunked, chunked"]),
        ("1.1", ["Transfer-Encoding:"]),
        ("1.0", [CHUNKED]),
        ("1.0", [CHUNKED, "Content-Length: 5", "Connection: keep-alive"]),
    ],
    ids=str,
)
def test_a_request_of_two_lengths_is_refused_and_nothing_behind_it_is_read(
    serve: Callable[..., Served], version: str, headers: list[str]
) -> None:
    served = serve()
    head = "\r\n".join([f"POST /ops HTTP/{version}", "Host: 127.0.0.1", *headers, "", ""]).encode()
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = served.send(head + b"0\r\n\r\n" + smuggled)
    assert answer.partition(b" ")[2].startswith(b"400 "), answer
    assert answer.count(b"HTTP/1.") == 1
    assert b"Connection: close" in answer
    assert served.is_well()


@pytest.mark.parametrize("headers", [["Content-Length: 5"], [CHUNKED], ["Transfer-Encoding: Chunked"], []])
def test_a_request_of_one_length_is_served(serve: Callable[..., Served], headers: list[str]) -> None:
    body = {0: b"", 1: b"token" if headers == ["Content-Length: 5"] else b"5\r\ntoken\r\n0\r\n\r\n"}[len(headers)]
    answer = serve().send(request("POST", "/healthz", *headers, body=body))
    assert answer.startswith(b"HTTP/1.1 405 "), answer


def test_a_body_that_never_ends_is_refused(serve: Callable[..., Served]) -> None:
    served = serve()
    head = b"POST /ops HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with served.connect() as client:
        client.sendall(head)
        sent = 0
        with suppress(OSError):
            while sent < 500 * clients.LARGEST_BODY:
                client.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
                sent += 0x2000
        assert sent < 500 * clients.LARGEST_BODY
    told = served.send(request("POST", "/ops", "Content-Length: 900000000"))
    assert told.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(("path", "more"), [("/healthz", "x" * 65_536), (f"/healthz?{'x' * 65_536}", "")])
def test_headers_and_queries_have_a_limit(serve: Callable[..., Served], path: str, more: str) -> None:
    served = serve()
    # Some of it may be unread when the server hangs up, and then the system throws its answer away.
    assert served.send(request("GET", path, f"X-More: {more}"))[:13] in (b"HTTP/1.1 431 ", b"HTTP/1.0 431 ", b"")
    assert served.is_well()
