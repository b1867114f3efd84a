"""A gateway before the API, under a name of its own or with a clock that is wrong. Sockets go through it, too."""

import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate, parsedate_to_datetime

_HOST = re.compile(rb"(?i)(\r\nhost: )[^\r\n]+")
_DATE = re.compile(rb"(?i)(\r\ndate: )([^\r\n]{29})")


@contextmanager
def gateway(port: int, *, host: str = "127.0.0.1", seconds_ahead: float = 0) -> Iterator[str]:
    """The URL of a gateway before 127.0.0.1:`port`. `host` is its name; it must resolve to this machine."""

    # Small headers come in one piece: no match is ever cut in two.
    def request(data: bytes) -> bytes:
        return _HOST.sub(rb"\g<1>127.0.0.1:%d" % port, data)

    def answer(data: bytes) -> bytes:
        return _DATE.sub(lambda found: found[1] + _shifted(found[2], seconds_ahead), data)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as server:
                up = threading.Thread(target=_copy, args=(self.request, server, request))
                up.start()
                _copy(server, self.request, answer)
                up.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://{host}:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()


def _shifted(date: bytes, seconds: float) -> bytes:
    return formatdate(parsedate_to_datetime(date.decode()).timestamp() + seconds, usegmt=True).encode()


def _copy(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(change(data))
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # either side may have left
