"""Runs an app on Waitress: in the main thread for the page, in a daemon thread for a worker's health and figures."""

import logging
import signal
import socket
import threading
import time
from typing import Any

import structlog
from flask import Flask
from waitress import wasyncore
from waitress.adjustments import Adjustments

from worker.network.clients import ADJUSTMENTS, BESIDE_CONNECTIONS, Listener

BACKLOG = 128  # connections that wait to be accepted
STOP_CHECK = 0.2  # seconds: longest wait of the loop, and so of a close
BESIDE_THREADS = 2
CLOSE_SECONDS = 12.0  # after SIGTERM, for requests in progress; longer than a call to the project may take
THREADS_SECONDS = 1.0  # at the end: threads that are still busy are abandoned

log = structlog.get_logger()
# It logs a warning for each request that waits for a thread: a client could fill the disk.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)


class Server:
    """An app served from a daemon thread, until `close`."""

    def __init__(self, app: Flask, listener: socket.socket, threads: int = BESIDE_THREADS, **limits: int) -> None:
        """`limits` override those of `clients.ADJUSTMENTS`."""
        self.port: int = listener.getsockname()[1]
        self._map: dict[int, object] = {}
        self._server = _create(app, listener, self._map, threads, **limits)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and free the port. Closing twice is harmless."""
        self._stopping.set()
        self._thread.join()

    def _loop(self) -> None:
        # Not the server's own run(): it ends only if its sockets are closed while it uses them.
        while not self._stopping.is_set():
            _turn(self._map)
        self._server.task_dispatcher.shutdown(timeout=THREADS_SECONDS)
        wasyncore.close_all(self._map)


def serve_in_thread(app: Flask, host: str, port: int) -> Server:
    """Serve `app` in a daemon thread. Port 0: a free one. Raises OSError if the port cannot be bound."""
    return Server(app, listen(host, port), connection_limit=BESIDE_CONNECTIONS)


def serve(app: Flask, host: str, port: int, threads: int, stopping: threading.Event) -> None:
    """Serve `app` until SIGTERM or SIGINT, then finish requests in progress for up to twelve seconds, or until a
    second signal.

    `stopping` is set at the first signal: requests of `app` that wait must end then. Call it in the main thread.
    Raises OSError if the port cannot be bound.
    """
    # The handler does not set the event: it may interrupt the very thread that holds the event's lock.
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.append(number))
    listener = listen(host, port)
    log.info("Serving the page.", action="serving", host=host, port=listener.getsockname()[1])
    sockets: dict[int, object] = {}
    # With look-ahead, waitress notices that a client has disconnected, so that no thread waits for its answer.
    server = _create(app, listener, sockets, threads, channel_request_lookahead=1)
    while not signals:
        _turn(sockets)
    stopping.set()
    server.refuse_more()
    deadline = time.monotonic() + CLOSE_SECONDS
    while server.active_channels and len(signals) < 2 and time.monotonic() < deadline:
        _turn(sockets)
        server.hang_up_idle()
    log.info("The page is not served any more.", action="served", cut_off=len(server.active_channels))
    server.task_dispatcher.shutdown(timeout=THREADS_SECONDS)
    wasyncore.close_all(sockets)


def _turn(sockets: dict[int, object]) -> None:
    wasyncore.loop(timeout=STOP_CHECK, use_poll=True, map=sockets, count=1)


def _create(app: Flask, listener: socket.socket, sockets: dict[int, object], threads: int, **more: int) -> Any:
    # Not waitress.create_server, which does not accept a server class.
    adjustments = Adjustments(
        sockets=[listener], threads=threads, ident=None, asyncore_use_poll=True, **{**ADJUSTMENTS, **more}
    )
    about = (listener.family, listener.type, listener.proto, listener.getsockname())
    return Listener(app, map=sockets, _sock=listener, adj=adjustments, sockinfo=about, bind_socket=False)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError with a sentence that names the address."""
    # Bound here: waitress starts its threads before it binds, and leaks them if the port is taken.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        message = f"Cannot listen on {host}:{port}: {error.strerror or error}. Choose another port."
        raise OSError(error.errno, message) from error
