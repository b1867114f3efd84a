"""The local API hands out what it is meant to, however a path is written, and to names of this machine alone."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support.before_api import gateway
from tests.support.peer import socket_url
from worker.local.processes import Service, http_ready, python_module
from worker.local.settings import Ports
from worker.local.stack import Stack
from worker.local.supabase.hosted.manners import Manners

ELSEWHERE = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example",
    "localhost.evil.example:{port}",
    "0",
    "",
]
OWN = ["127.0.0.1", "localhost:{port}", "LOCALHOST"]


def ask(port: int, target: str, *headers: str, host: str = "127.0.0.1") -> tuple[int, bytes]:
    """The status and all that is answered to a request that is sent as it is: clients resolve paths themselves."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split(b" ", 2)[1]) if answer else 0, answer


UP = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e"]
SLASHES = ["/", "%2f", "\\", "%5c", "%252f"]


@pytest.mark.parametrize("prefix", ["rest", "auth", "realtime"])
@pytest.mark.parametrize("up", UP)
@pytest.mark.parametrize("slash", SLASHES)
def test_no_spelling_of_a_path_leaves_what_is_served(stack: Stack, prefix: str, up: str, slash: str) -> None:
    for what in ("config", "info", "introspect"):
        target = f"/{prefix}/v1/{up}{slash}{up}{slash}_system{slash}{what}"
        status, answer = ask(stack.port_of("api"), target)
        # Of Lite's own: its configuration, and the schema. Auth and REST refuse a path of theirs without a key.
        assert status in (400, 401, 404), (target, answer)
        assert b"postgres" not in answer, target
        assert b"chat_messages" not in answer


@pytest.mark.parametrize(
    "target", ["http://evil.example/rest/v1/posts", "*", "//127.0.0.1/rest/v1/posts", "/\\rest/v1/"]
)
def test_a_target_that_is_no_path_is_not_served(stack: Stack, target: str) -> None:
    assert ask(stack.port_of("api"), target)[0] in (400, 404)


def test_paths_of_the_services_are_served_as_ever(stack: Stack) -> None:
    key = f"apikey: {stack.environment['SUPABASE_PUBLISHABLE_KEY']}"
    port = stack.port_of("api")
    assert ask(port, "/rest/v1/posts?select=id", key)[0] == 401  # read as anon, which may read nothing
    assert ask(port, "/rest/v1/./posts?select=id", key)[0] == 401
    assert ask(port, "/auth/v1/health", key)[0] == 200
    assert ask(port, "/realtime/v1/health", key)[0] == 200
    assert ask(port, "/health")[0] == 200


@pytest.mark.parametrize("name", ELSEWHERE)
def test_another_sites_name_gets_nothing_from_the_api(stack: Stack, name: str) -> None:
    port = stack.port_of("api")
    key = f"apikey: {stack.environment['SUPABASE_SECRET_KEY']}"
    for target in ("/rest/v1/posts", "/auth/v1/health", "/realtime/v1/health", "/health"):
        status, answer = ask(port, target, key, host=name.format(port=port))
        assert status in (400, 403), answer  # Node itself refuses no Host at all


@pytest.mark.parametrize("name", OWN)
def test_this_machines_own_names_are_answered(stack: Stack, name: str) -> None:
    port = stack.port_of("api")
    assert ask(port, "/health", host=name.format(port=port))[0] == 200


@pytest.mark.parametrize("through", ["api", "realtime"])
def test_another_sites_name_gets_no_socket(stack: Stack, through: str) -> None:
    port = stack.port_of(through)
    address = socket_url(
        f"http://127.0.0.1:{port}", apikey=stack.environment["SUPABASE_PUBLISHABLE_KEY"], vsn="2.0.0"
    )
    target = address.split(str(port), 1)[1]
    handshake = (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    for host, opened in ((f"localhost:{port}", True), ("evil.example", False)):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            lines = [f"GET {target} HTTP/1.1", f"Host: {host}", *handshake, "", ""]
            connection.sendall("\r\n".join(lines).encode())
            assert (b" 101 " in connection.recv(4096)) is opened


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = Ports.free().model
    command = python_module("worker.local.gemini", "--port", str(port))
    log = tmp_path_factory.mktemp("model") / "log"
    service = Service("The offline model", command, log=log, ready=http_ready(port, "/healthz"))
    service.start()
    yield port
    service.stop()


def test_another_sites_name_gets_nothing_from_the_model(model: int) -> None:
    assert ask(model, "/healthz", host=f"localhost:{model}")[0] == 200
    assert ask(model, "/healthz", host="evil.example")[0] == 400


def test_another_sites_name_gets_nothing_through_hosted_manners(stack: Stack) -> None:
    with gateway(stack.port_of("api"), Manners()) as port:
        own, elsewhere = (
            httpx.get(f"http://127.0.0.1:{port}/health", headers={"host": name})
            for name in (f"localhost:{port}", "evil.example")
        )
    assert own.status_code == 200
    assert (elsewhere.status_code, elsewhere.json()["message"]) == (403, "only by a name of this machine")
