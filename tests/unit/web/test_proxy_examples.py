"""The examples of proxies: they name the ports and limits that there are, and keep what they promise.

What they promise is tried with nginx and Caddy themselves where these are on PATH (in Debian: nginx-light and caddy).
Where one is not, its example is only read, by the first two tests.
"""

import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask

from tests.support.served import read_all
from tests.support.waiting import wait_for
from worker import ops_token
from worker.config import WebSettings, WorkerSettings
from worker.network import clients
from worker.network.serving import Server, listen
from worker.operations.app import create_ops_app
from worker.operations.page import LONGEST_FORM

FOLDER = Path(__file__).resolve().parents[3] / "worker/web/proxies"
NGINX, CADDY = ((FOLDER / name).read_text() for name in ("nginx.conf", "Caddyfile"))
TOKEN = ops_token.make()
WEB, OPS = WebSettings.model_fields["web_port"].default, WorkerSettings.model_fields["ops_port"].default
INSTALLED = [name for name in ("nginx", "caddy") if shutil.which(name)]


def values(text: str, name: str) -> list[str]:
    return re.findall(rf"^\s*{name}\s+([^;{{\n]+?)\s*[;{{]?$", text, re.MULTILINE)


def test_the_example_for_nginx_names_what_there_is() -> None:
    code = re.sub(r"#.*", "", NGINX)
    assert code.count("{") == code.count("}")
    assert re.findall(r"[^;{}\s]\s*\n\s*\n", code) == []  # each directive ends
    assert values(code, "proxy_pass") == [f"http://127.0.0.1:{WEB}", f"http://127.0.0.1:{OPS}"]
    assert set(values(code, "client_header_timeout")) == {f"{clients.HEAD_SECONDS:.0f}s"}
    assert values(code, "client_max_body_size") == [
        f"{clients.LARGEST_BODY // 1024}k",
        f"{2 * LONGEST_FORM // 1024}k",
    ]
    assert (
        float(values(code, "proxy_read_timeout")[0].rstrip("s"))
        > WebSettings.model_fields["web_wait_seconds"].default
    )
    assert len(values(code, "limit_conn")) == len(values(code, "limit_req")) == 2


def test_the_example_for_caddy_names_what_there_is() -> None:
    code = re.sub(r"#.*", "", CADDY)
    assert code.count("{") == code.count("}")
    assert values(code, "reverse_proxy") == [f"127.0.0.1:{WEB}", f"127.0.0.1:{OPS}"]
    assert values(code, "read_header") == [f"{clients.HEAD_SECONDS:.0f}s"]
    assert values(code, "read_body") == [f"{clients.REQUEST_SECONDS:.0f}s"]
    assert values(code, "max_header_size") == [f"{clients.LARGEST_HEADER // 1024}KB"]


@pytest.fixture
def goes_on() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


class Waiting:
    """A page of which `/wait` hangs, and how many are at it."""

    def __init__(self, goes_on: threading.Event) -> None:
        self.count = 0
        self.app = Flask(__name__)

        @self.app.get("/wait")
        def wait() -> str:
            self.count += 1
            goes_on.wait(120)
            return "waited"

        @self.app.get("/")
        def page() -> str:
            return "here"


@pytest.fixture
def page(goes_on: threading.Event) -> Waiting:
    return Waiting(goes_on)


Proxy = Callable[..., int]


@pytest.fixture
def start(page: Waiting, goes_on: threading.Event, tmp_path: Path) -> Iterator[Proxy]:
    """Call it with nginx or caddy, and the token of the figures: the port of the proxy, without TLS."""
    with ExitStack() as stopping:

        def started(name: str, token: str | None) -> int:
            apps = {WEB: page.app, OPS: create_ops_app(dict, dict, token)}
            servers = {usual: Server(app, listen("127.0.0.1", 0), 48) for usual, app in apps.items()}
            for server in servers.values():
                stopping.callback(server.close)
            stopping.callback(goes_on.set)
            with socket.create_server(("127.0.0.1", 0)) as free:
                port: int = free.getsockname()[1]
            text = {"nginx": NGINX, "caddy": CADDY}[name]
            for usual, server in servers.items():
                text = text.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{server.port}")
            command = {"nginx": nginx, "caddy": caddy}[name](text, port, tmp_path)
            log = stopping.enter_context((tmp_path / "log").open("w"))
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HOME": str(tmp_path)})
            stopping.callback(process.wait)
            stopping.callback(process.kill)

            def listens() -> bool:
                assert process.poll() is None, (tmp_path / "log").read_text()
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0

            wait_for(listens, f"{name} to listen", 60)
            return port

        yield started


def nginx(text: str, port: int, folder: Path) -> list[str]:
    text = re.sub(r"\n\s*ssl_[^\n]*", "", text).replace("443 ssl", f"127.0.0.1:{port}")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    whole = f"{user} daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}\n"
    (folder / "nginx.conf").write_text(f"{whole}http {{ access_log off; {temporary}\n{text}\n}}\n")
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(text: str, port: int, folder: Path) -> list[str]:
    text = re.sub(r"^(\w+\.example\.com) ", rf"http://\1:{port} ", text, flags=re.MULTILINE)
    (folder / "Caddyfile").write_text(text.replace("{\n\tservers", "{\n\tadmin off\n\tservers", 1))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=90, source_address=(source, 0))


def asked(host: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]).encode()


def ask(port: int, request: bytes, source: str = "127.0.0.1") -> bytes:
    with connect(port, source) as client:
        client.sendall(request)
        return read_all(client)


@pytest.mark.parametrize("name", INSTALLED)
def test_the_page_is_reached_and_figures_only_with_the_token(start: Proxy, name: str) -> None:
    port = start(name, TOKEN)
    assert b"here" in ask(port, asked("chat.example.com", "/"))
    assert b" 401 " in ask(port, asked("ops.example.com", "/metrics"))[:20]
    assert b"postbro_" in ask(port, asked("ops.example.com", "/metrics", f"Authorization: Bearer {TOKEN}"))


@pytest.mark.parametrize("name", INSTALLED)
def test_without_a_token_no_figure_goes_through(start: Proxy, name: str) -> None:
    told = ask(start(name, None), asked("ops.example.com", "/metrics"))
    assert b" 403 " in told[:20]
    assert b"A proxy has sent this on" in told


@pytest.mark.parametrize("name", INSTALLED)
def test_a_head_that_does_not_come_is_not_waited_for(start: Proxy, name: str) -> None:
    with connect(start(name, None)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: chat.example.com\r\n")
        assert b"HTTP/1.1 200" not in read_all(client)  # the read ends: it hung up


@pytest.mark.parametrize("name", [name for name in INSTALLED if name == "nginx"])
def test_one_address_takes_no_more_than_its_connections(start: Proxy, page: Waiting, name: str) -> None:
    port, most = start(name, None), int(values(NGINX, "limit_conn")[0].split()[1])
    with ExitStack() as clients_of_one:
        for _ in range(most):
            clients_of_one.enter_context(connect(port)).sendall(asked("chat.example.com", "/wait"))
        wait_for(lambda: page.count == most, "all of them to wait", 60)
        assert b" 429 " in ask(port, asked("chat.example.com", "/"))[:20]
        assert b" 200 " in ask(port, asked("chat.example.com", "/"), source="127.0.0.2")[:20]
