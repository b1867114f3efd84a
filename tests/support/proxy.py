"""A forward proxy that resolves every name to this machine: HTTP (whole URLs and CONNECT) and SOCKS 5 on one port."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import cast
from urllib.parse import urlsplit


class Proxy(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        """How and for what: `CONNECT supabase.test:54321`."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def proxy() -> Iterator[Proxy]:
    with Proxy() as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class _Handler(StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        with suppress(OSError):
            if cast(BufferedReader, self.rfile).peek(1)[:1] == b"\x05":
                self._socks()
            else:
                self._http()

    def _http(self) -> None:
        method, target, version = self.rfile.readline().decode().split()
        if method == "CONNECT":
            while self.rfile.readline().strip():
                pass
            with self._to(method, target) as there:
                self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                self._pass_on(there)
            return
        url = urlsplit(target)
        path = f"{url.path}?{url.query}" if url.query else url.path
        with self._to(method, url.netloc) as there:
            there.sendall(f"{method} {path} {version}\r\n".encode())
            self._pass_on(there)

    def _socks(self) -> None:
        _, methods = self.rfile.read(2)
        self.rfile.read(methods)
        self.wfile.write(b"\x05\x00")
        kind = self.rfile.read(4)[3]
        length = {1: 4, 4: 16}.get(kind) or self.rfile.read(1)[0]
        host = self.rfile.read(length).decode(errors="replace")
        port = int.from_bytes(self.rfile.read(2))
        with self._to("SOCKS", f"{host}:{port}") as there:
            self.wfile.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
            self._pass_on(there)

    def _to(self, method: str, target: str) -> socket.socket:
        self.server.asked.append(f"{method} {target}")
        return socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2])))

    def _pass_on(self, there: socket.socket) -> None:
        """Both ways, until one side closes."""

        def answers() -> None:
            with suppress(OSError):
                while data := there.recv(65536):
                    self.wfile.write(data)
                self.connection.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=answers, daemon=True).start()
        while data := self.rfile.read1(65536):
            there.sendall(data)
