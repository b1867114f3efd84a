"""Waitress around an app: in the foreground for the page, in threads beside the worker for health and figures."""

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
STOP_CHECK = 0.2  # seconds: the longest that closing waits for the loop to look up
BESIDE_THREADS = 2
CLOSE_SECONDS = 12.0  # after SIGTERM, in which what is under way may end; longer than the project may take
THREADS_SECONDS = 1.0  # at the end: one that still waits for something is left behind

log = structlog.get_logger()
# It warns of each request that waits for a thread: a stranger could fill the log.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)


class Server:
    """An app served from a daemon thread, until `close`."""

    def __init__(self, app: Flask, listener: socket.socket, threads: int = BESIDE_THREADS, **limits: int) -> None:
        """`limits`: in the place of those of `clients.ADJUSTMENTS`."""
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
        # Not the server's own run(): only closing its sockets under its feet would end that from outside.
        while not self._stopping.is_set():
            _turn(self._map)
        self._server.task_dispatcher.shutdown(timeout=THREADS_SECONDS)
        wasyncore.close_all(self._map)


def serve_in_thread(app: Flask, host: str, port: int) -> Server:
    """Serve `app` beside the caller; port 0 takes a free one. Raises OSError if the port is not to be had."""
    return Server(app, listen(host, port), connection_limit=BESIDE_CONNECTIONS)


def serve(app: Flask, host: str, port: int, threads: int, stopping: threading.Event) -> None:
    """Serve `app` until SIGTERM or SIGINT, and then what is under way for twelve seconds; a second signal ends that.

    `stopping` is set at the first: whatever in `app` waits longer has to end then. For the main thread.
    Raises OSError if the port is not to be had.
    """
    # A handler sets no event: whoever holds that one's lock could be the thread that it interrupts.
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.append(number))
    listener = listen(host, port)
    log.info("Serving the page.", action="serving", host=host, port=listener.getsockname()[1])
    sockets: dict[int, object] = {}
    # Looking ahead, it notices a client that has gone: no thread goes on waiting for its answer.
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
    # Not waitress' own create_server, which has no place for another class.
    adjustments = Adjustments(
        sockets=[listener], threads=threads, ident=None, asyncore_use_poll=True, **{**ADJUSTMENTS, **more}
    )
    about = (listener.family, listener.type, listener.proto, listener.getsockname())
    return Listener(app, map=sockets, _sock=listener, adj=adjustments, sockinfo=about, bind_socket=False)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError with a sentence that names the address."""
    # Bound here and not by waitress, which starts its threads first and leaks them when the port is taken.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        message = f"Cannot listen on {host}:{port}: {error.strerror or error}. Choose another port."
        raise OSError(error.errno, message) from error
