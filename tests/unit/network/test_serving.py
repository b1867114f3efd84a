"""What SIGTERM does to the page's server: it ends in order, and in a bounded time."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask, Response

from worker.network import serving

BOUND = 20  # seconds; what takes as long has failed
HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def app(stopping: threading.Event) -> Flask:
    """`/wait` streams until it is stopped, `/stuck` for ever, `/` is answered at once."""
    made = Flask(__name__)

    @made.get("/")
    def at_once() -> str:
        return "here"

    @made.get("/wait")
    def wait() -> Response:
        def pieces() -> Iterator[str]:
            yield "begun"
            yield "ended" if stopping.wait(BOUND) else "late"

        return Response(pieces())

    @made.get("/stuck")
    def stuck() -> Response:
        def pieces() -> Iterator[str]:
            yield "begun"
            threading.Event().wait()

        return Response(pieces())

    return made


def served(app: Flask, stopping: threading.Event, client: Callable[[int], None]) -> None:
    """Serve in this thread, as signals want it, while `client` has the port in another."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    failures: list[BaseException] = []

    def run() -> None:
        try:
            client(port)
        except BaseException as failure:
            failures.append(failure)
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    serving.serve(app, HOST, port, 4, stopping)
    thread.join(BOUND)
    assert not thread.is_alive()
    assert failures == []


def connect(port: int) -> socket.socket:
    while True:
        try:
            return socket.create_connection((HOST, port), timeout=BOUND)
        except ConnectionRefusedError:
            continue


def ask(port: int, path: str) -> socket.socket:
    client = connect(port)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def read_until(client: socket.socket, end: bytes) -> bytes:
    """All up to `end`, or to the end of the connection."""
    found = b""
    while end not in found and (data := client.recv(4096)):
        found += data
    return found


def test_what_waits_ends_properly_and_nothing_new_is_taken(app: Flask, stopping: threading.Event) -> None:
    def client(port: int) -> None:
        with ask(port, "/wait") as waiting, ask(port, "/") as idle:
            assert b"here" in read_until(idle, b"here")
            assert b"begun" in read_until(waiting, b"begun")
            os.kill(os.getpid(), signal.SIGTERM)
            # The last chunk is the one that says that it is the last.
            assert read_until(waiting, b"0\r\n\r\n").endswith(b"ended\r\n0\r\n\r\n")
            assert (waiting.recv(1), idle.recv(1)) == (b"", b"")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((HOST, port), timeout=BOUND)

    served(app, stopping, client)
    assert stopping.is_set()


def test_what_does_not_end_is_cut_off(app: Flask, stopping: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "CLOSE_SECONDS", 0.5)

    def client(port: int) -> None:
        with ask(port, "/stuck") as stuck:
            assert b"begun" in read_until(stuck, b"begun")
            os.kill(os.getpid(), signal.SIGTERM)
            assert read_until(stuck, b"0\r\n\r\n") in (b"", b"\r\n")

    served(app, stopping, client)


def test_a_second_signal_waits_for_nothing(
    app: Flask, stopping: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "CLOSE_SECONDS", 3_600.0)

    def client(port: int) -> None:
        with ask(port, "/stuck") as stuck:
            assert b"begun" in read_until(stuck, b"begun")
            os.kill(os.getpid(), signal.SIGTERM)
            assert stopping.wait(BOUND)
            os.kill(os.getpid(), signal.SIGINT)
            assert read_until(stuck, b"0\r\n\r\n") in (b"", b"\r\n")

    served(app, stopping, client)
