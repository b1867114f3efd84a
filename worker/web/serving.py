"""Waitress around an app: in the foreground for the page, in a thread beside the worker for health."""

import logging
import socket
import threading
from typing import Any

import structlog
from flask import Flask
from waitress import wasyncore
from waitress.adjustments import Adjustments

from worker.web.clients import ADJUSTMENTS, Listener

BACKLOG = 128  # connections that wait to be accepted
STOP_CHECK = 0.2  # seconds: the longest that closing waits for the loop to look up
HEALTH_THREADS = 2

log = structlog.get_logger()
# It warns of each request that waits for a thread: a line for whoever likes to send one.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)


class Server:
    """An app served from a daemon thread, until `close`."""

    def __init__(self, app: Flask, listener: socket.socket, threads: int = HEALTH_THREADS, **limits: int) -> None:
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
            wasyncore.loop(timeout=STOP_CHECK, use_poll=True, map=self._map, count=1)
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._map)


def serve_in_thread(app: Flask, host: str, port: int) -> Server:
    """Serve `app` beside the caller; port 0 takes a free one. Raises OSError if the port is not to be had."""
    return Server(app, listen(host, port))


def serve(app: Flask, host: str, port: int, threads: int) -> None:
    """Serve `app` until SIGINT. Raises OSError if the port is not to be had."""
    listener = listen(host, port)
    log.info("Serving the page.", action="serving", host=host, port=listener.getsockname()[1])
    sockets: dict[int, object] = {}
    # Looking ahead, it notices a client that has gone: nobody waits for an answer for it.
    server = _create(app, listener, sockets, threads, channel_request_lookahead=1)
    server.run()
    wasyncore.close_all(sockets)


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
