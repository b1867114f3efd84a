"""What one client can do to the others of a server: nothing. Raw sockets against the page and the worker's port."""

import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.support.served import Served, read_all, request
from tests.support.served_apps import BIG, THREADS
from tests.support.waiting import wait_for
from worker.network import clients


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


@pytest.mark.usefixtures("soon")
def test_an_answer_that_nobody_reads_is_not_kept(serve: Callable[..., Served]) -> None:
    served = serve(cleanup_interval=0)
    with served.connect() as client:
        client.sendall(f"GET {served.script} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * clients.MOST_AHEAD)
        channels = served.server._server.active_channels
        wait_for(lambda: len(channels) == 1, "the connection", seconds=20)
        wait_for(lambda: not channels, "the server to hang up", seconds=20)
