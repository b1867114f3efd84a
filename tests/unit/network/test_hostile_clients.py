"""What one client can do to the others of a server: nothing. Raw sockets against the page and the worker's port."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.served import Served, read_all, request
from tests.support.waiting import wait_for
from worker.network import clients
from worker.network.serving import Server, listen
from worker.operations.app import create_ops_app
from worker.operations.gate import Gate
from worker.operations.health import create_health_app
from worker.operations.metrics_endpoint import add_metrics
from worker.operations.page import add_ops_page
from worker.web.app import create_page_app

BIG = os.urandom(600_000)  # a script that does not shrink
THREADS = 2


def page(built: Path) -> Flask:
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html>")
    (built / "icon.svg").write_text("<svg/>")
    (built / "assets/app.js").write_bytes(BIG)
    return create_page_app("https://abc.supabase.co", "sb_publishable_abc", built=built)


def private(built: Path) -> Flask:
    """Both of the worker's ports in one."""
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html>")
    (built / "assets/app.js").write_bytes(BIG)
    app, gate = create_health_app(dict, lambda: True), Gate(None)
    add_ops_page(app, dict, dict, gate, built)
    add_metrics(app, gate)
    return app


SCRIPTS = {page: "/assets/app.js", private: "/ops/assets/app.js"}


@pytest.fixture(params=[page, private])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """The page, and the worker's ports; call it with other limits."""
    with ExitStack() as servers:

        def start(**limits: int) -> Served:
            app = request.param(tmp_path / "built")
            server = Server(app, listen("127.0.0.1", 0), THREADS, **limits)
            servers.callback(server.close)
            return Served(server, SCRIPTS[request.param])

        yield start


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience in tenths of a second."""
    for name in ("REQUEST_SECONDS", "STALL_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(clients, name, 0.3, raising=False)


def test_who_asks_ahead_and_reads_nothing_takes_no_thread_along(serve: Callable[..., Served]) -> None:
    served = serve()
    ask = f"GET {served.script} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with ExitStack() as deaf:
        for _ in range(THREADS * 2):
            deaf.enter_context(served.connect()).sendall(ask * (8000 // len(ask)))
        # Threads take turns among connections; a thread waits once its connection is owed 16 MB.
        assert all(served.is_well() for _ in range(2 * 16_777_216 // len(BIG)))


def test_a_few_requests_may_be_sent_ahead(serve: Callable[..., Served]) -> None:
    served = serve()
    ask = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answers = served.send(ask * (clients.MOST_AHEAD - 1) + request("GET", "/healthz"))
    assert answers.count(b"HTTP/1.1 200 OK") == clients.MOST_AHEAD


def test_connections_that_ask_nothing_keep_nobody_out(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(connection_limit=20)
    with ExitStack() as idle:
        for number in range(100):
            # One half says nothing at all, the other begins a request and does not end it.
            client = idle.enter_context(served.connect())
            client.sendall(b"GET / HTTP/1.1\r\n" if number % 2 else b"")
        for _ in range(5):
            assert served.is_well()
    assert not caplog.records  # a line for each would let one client fill the disk


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("begin", [b"GET / HT", b"POST /ops HTTP/1.1\r\nContent-Length: 9\r\n\r\n"])
def test_a_request_that_trickles_in_is_not_waited_for(serve: Callable[..., Served], begin: bytes) -> None:
    served = serve(cleanup_interval=0)
    with served.connect() as client:
        client.sendall(begin)

        def has_ended() -> bool:
            try:
                client.sendall(b"x" if b"POST" not in begin else b"")
                client.settimeout(0.05)
                return client.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        wait_for(has_ended, "the server to hang up", seconds=20)


def test_the_head_of_a_request_has_less_time_than_its_body(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert clients.HEAD_SECONDS == 10
    monkeypatch.setattr(clients, "HEAD_SECONDS", 0.3)
    served = serve(cleanup_interval=0)
    with served.connect() as with_body, served.connect() as with_half_a_head:
        with_body.sendall(b"POST /ops HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n")
        with_half_a_head.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        assert with_half_a_head.recv(1) == b""
        with_body.sendall(b"token=abc")
        assert with_body.recv(9) == b"HTTP/1.1 "


def test_whoever_holds_many_connections_takes_none_of_others(serve: Callable[..., Served]) -> None:
    served = serve(connection_limit=20)
    with ExitStack() as held:
        there = ("127.0.0.1", served.server.port)
        # The oldest of all: it would be the first to go.
        honest = held.enter_context(socket.create_connection(there, 20, source_address=("127.0.0.2", 0)))
        honest.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n")
        for _ in range(60):
            held.enter_context(served.connect()).sendall(b"GET / HTTP/1.1\r\n")
        assert served.is_well()
        honest.sendall(b"Host: 127.0.0.1\r\n\r\n")
        assert read_all(honest).startswith(b"HTTP/1.1 200 OK\r\n")


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


@pytest.mark.usefixtures("soon")
def test_an_answer_that_nobody_reads_is_not_kept(serve: Callable[..., Served]) -> None:
    served = serve(cleanup_interval=0)
    with served.connect() as client:
        client.sendall(f"GET {served.script} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * clients.MOST_AHEAD)
        channels = served.server._server.active_channels
        wait_for(lambda: len(channels) == 1, "the connection", seconds=20)
        wait_for(lambda: not channels, "the server to hang up", seconds=20)


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
