"""Requests of any path, method, header and bytes are answered, and are no defect."""

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.served import Served, read_all, request
from tests.support.served_apps import page, private
from worker.network.serving import Server, listen
from worker.operations.app import create_ops_app


@pytest.mark.parametrize(
    "bearer", ["x" * 60_000, f"{'a' * 20_000}.{'b' * 20_000}.{'c' * 20_000}", "a\tb", "%00", "Bearer a"]
)
def test_whatever_is_no_access_token_is_told_so_and_asks_nobody(tmp_path: Path, bearer: str) -> None:
    """The project of this page does not exist: asked, it would be 502."""
    server = Server(page(tmp_path / "built"), listen("127.0.0.1", 0))
    try:
        told = Served(server, "").send(request("GET", "/api/chat/sessions/", f"Authorization: Bearer {bearer}"))
    finally:
        server.close()
    assert told.startswith(b"HTTP/1.1 401 "), told[:200]


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("HEAD", "/healthz", {200}),
        ("OPTIONS", "/healthz", {200}),
        ("TRACE", "/healthz", {405}),
        ("CONNECT", "127.0.0.1:22", {404}),
        ("GET", "/%00", {404}),
        ("GET", "/assets/%00", {404}),
        ("GET", "/ops/assets/%00", {404}),
        ("GET", "/assets/..%2f..%2fpage.py", {404}),
        ("GET", "/ops/assets/..%2f..%2fpage.py", {404}),
        ("GET", "/assets/" + "a/" * 5_000, {404}),
        ("GET", "/assets/" + "a" * 5_000, {404}),
        ("GET", "/assets/%ff%fe", {404}),
        ("GET", "//evil.test/%2e%2e", {404, 308}),
        ("GET", "/api/chat/sessions/%00/", {404}),
        ("GET", "/api/chat/sessions/", {401, 404}),
        ("GET", "http://evil.test/healthz", {200}),
    ],
)
def test_no_path_and_no_method_is_a_defect(
    serve: Callable[..., Served], method: str, path: str, statuses: set[int]
) -> None:
    answer = serve().send(request(method, path))
    assert int(answer.split(b" ", 2)[1]) in statuses, answer[:300]
    head, _, body = answer.partition(b"\r\n\r\n")
    assert method != "HEAD" or body == b""
    assert b"Location: http" not in head
    assert b"Location: //" not in head


MANY = "bytes=" + ",".join(f"{number}-{number}" for number in range(2_000))


@pytest.mark.parametrize(
    ("wanted", "status", "length"),
    [
        ("bytes=0-9", 206, 10),
        ("bytes=-5", 206, 5),
        ("bytes=9999999-", 416, None),
        ("bytes=x", 416, None),
        ("lines=1-2", 416, None),
        (MANY, 416, None),
    ],
)
def test_parts_of_a_file(serve: Callable[..., Served], wanted: str, status: int, length: int | None) -> None:
    served = serve()
    answer = served.send(request("GET", served.script, f"Range: {wanted}", "Accept-Encoding: identity"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert length is None or len(body) == length


@pytest.mark.parametrize(
    "host",
    ["", "[", "[::1", "evil.test@127.0.0.1", "127.0.0.1@evil.test", "127.0.0.1:x", "a b", "é", "127.0.0.1.evil.test"],
)
def test_no_name_but_this_machines_own_opens_the_operators_page(tmp_path: Path, host: str) -> None:
    server = Server(private(tmp_path / "built"), listen("127.0.0.1", 0))
    try:
        for path in ("/ops", "/metrics"):
            ask = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1")
            answer = Served(server, "").send(ask)
            assert int(answer.split(b" ", 2)[1]) in (400, 403), answer[:200]
    finally:
        server.close()


def test_behind_a_proxy_with_tls_the_operators_cookie_is_for_tls_alone(tmp_path: Path) -> None:
    server = Server(create_ops_app(dict, dict, "a-token-of-length", tmp_path), listen("127.0.0.1", 0))
    form = b"token=a-token-of-length"
    try:
        headers = ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}")
        answer = Served(server, "").send(request("POST", "/ops", *headers, "X-Forwarded-Proto: https", body=form))
    finally:
        server.close()
    assert b"; Secure" in answer.partition(b"\r\n\r\n")[0]


WORDS = (
    *(
        b"GET ",
        b"POST ",
        b"/",
        b"/api/chat/sessions/",
        b"/ops",
        b"/assets/",
        b"%",
        b"..",
        b"\0",
        b" HTTP/1.1",
        b"\r\n",
    ),
    *(
        b"Host: ",
        b"Content-Length: ",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
        b"Range: bytes=",
        b"-1",
    ),
    *(
        b"Authorization: Bearer ",
        b"Accept-Encoding: ",
        b"\r\n\r\n",
        b"0\r\n",
        b"5\r\nhello\r\n",
        b"?",
        b"#",
        b"[",
        b":",
    ),
)


@pytest.mark.parametrize("made", [page, private])
def test_whatever_comes_is_no_defect_and_the_next_is_answered(
    tmp_path: Path, made: Callable[[Path], Flask], caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(made(tmp_path / "built"), listen("127.0.0.1", 0))
    served = Served(server, "")

    @settings(derandomize=True, max_examples=100, deadline=None, print_blob=True)
    @given(parts=st.lists(st.sampled_from(WORDS) | st.binary(max_size=30), max_size=14))
    def send(parts: list[bytes]) -> None:
        with served.connect() as client:
            with suppress(OSError):
                client.sendall(b"".join(parts) + b"\r\n\r\n")
                client.shutdown(socket.SHUT_WR)
            answer = read_all(client)
        assert b" 500 " not in answer.partition(b"\r\n")[0], answer

    try:
        send()
        assert served.is_well()
        assert not caplog.records
    finally:
        server.close()
