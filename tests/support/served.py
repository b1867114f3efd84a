"""An HTTP server of the worker's, and raw requests to it."""

import socket
from contextlib import suppress

from worker.network.serving import Server


class Served:
    def __init__(self, server: Server, script: str) -> None:
        self.server, self.script = server, script

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=20)

    def send(self, data: bytes) -> bytes:
        """All that comes back until the server closes."""
        with self.connect() as client:
            with suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(data)
            return read_all(client)

    def is_well(self) -> bool:
        return self.send(request("GET", "/healthz")).startswith(b"HTTP/1.1 200 OK\r\n")


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def read_all(client: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionResetError):
        while data := client.recv(65536):
            found += data
    return found
