"""Proxies: one form for all clients, this machine is asked directly, and what cannot be used is told by name."""

import asyncio
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import httpx2
import pytest
import requests
import websockets
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.uri import get_proxy, parse_proxy, parse_uri

from tests.support.proxy import proxy
from worker import config
from worker.errors import ConfigError
from worker.local import settings as local_settings
from worker.network import proxies

NOBODY = "http://127.0.0.1:9"  # the port of "discard", where no proxy is
# Loading the system's takes longer than all the rest.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
PASSWORD = "a-password-7f3a"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Call it with the variables; it starts without any of these, and leaves none behind."""
    before = dict(os.environ)

    def put(**variables: str) -> None:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            del os.environ[name]
        os.environ.update(variables)

    put()
    yield put
    os.environ.clear()
    os.environ.update(before)


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(204)
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(host: str) -> Iterator[int]:
    """The port of a server at this address that answers every request."""
    with ThreadingHTTPServer((host, 0), _Answer) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def by_httpx(url: str) -> int:
    return httpx.get(url).status_code


def by_httpx2(url: str) -> int:
    return httpx2.get(url).status_code


def by_requests(url: str) -> int:
    return requests.get(url, timeout=5).status_code


def by_websockets(url: str) -> int:
    async def connect() -> int:
        try:
            await websockets.connect(url.replace("http", "ws", 1))
        except websockets.InvalidStatus as error:
            return error.response.status_code
        return 101

    return asyncio.run(connect())


@pytest.mark.parametrize("ask", [by_httpx, by_httpx2, by_requests, by_websockets])
@pytest.mark.parametrize("variables", [{"HTTP_PROXY": NOBODY}, {"ALL_PROXY": NOBODY, "NO_PROXY": "[::1], a.test"}])
def test_this_machine_is_asked_directly(
    environment: Callable[..., None], ask: Callable[[str], int], variables: dict[str, str]
) -> None:
    environment(**variables)
    proxies.settle()
    with serving("127.0.0.1") as port:
        assert ask(f"http://127.0.0.1:{port}/") == 204
        assert ask(f"http://localhost:{port}/") == 204


@pytest.mark.parametrize("ask", [by_httpx, by_httpx2, by_requests, by_websockets])
def test_so_is_any_other_address_of_it_that_a_setting_names(
    environment: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    ask: Callable[[str], int],
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving("127.1.2.3") as port:
        url = f"http://127.1.2.3:{port}"
        environment(HTTP_PROXY=NOBODY, SUPABASE_URL=url, SUPABASE_PUBLISHABLE_KEY="sb_publishable_abc")
        config.load(config.WebSettings)
        assert ask(f"{url}/") == 204


@pytest.mark.parametrize("ask", [by_httpx, by_httpx2, by_requests, by_websockets])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_socks_proxy_is_gone_through_and_looks_the_name_up(
    environment: Callable[..., None], ask: Callable[[str], int], name: str
) -> None:
    with serving("127.0.0.1") as port, proxy() as between:
        environment(**{name: f"socks5h://127.0.0.1:{between.port}"})
        proxies.settle()
        assert ask(f"http://project.test:{port}/") == 204
        assert between.asked == [f"SOCKS project.test:{port}"]


def proxy_of(library: str, url: str) -> str | None:
    """Where a client of this library would ask for `url`."""
    if library == "websockets":
        address = get_proxy(parse_uri(url.replace("http", "ws", 1)))
        return f"{parse_proxy(address).host}:{parse_proxy(address).port}" if address else None
    if library == "requests":
        found = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
        return found.split("://")[1].split("@")[-1] if found else None
    module = {"httpx": httpx, "httpx2": httpx2}[library]
    with module.Client(verify=NO_CERTIFICATES) as client:
        pool = client._transport_for_url(module.URL(url))._pool
    address = getattr(pool, "_proxy_url", None)
    return f"{address.host.decode()}:{address.port}" if address else None


@pytest.mark.parametrize("library", ["httpx", "httpx2", "requests", "websockets"])
@pytest.mark.parametrize(
    ("variables", "url", "asked"),
    [
        ({"HTTPS_PROXY": "http://proxy.test:3128"}, "https://abc.supabase.co", "proxy.test:3128"),
        ({"HTTPS_PROXY": "proxy.test:3128"}, "https://abc.supabase.co", "proxy.test:3128"),
        ({"ALL_PROXY": "http://proxy.test:3128/"}, "https://abc.supabase.co", "proxy.test:3128"),
        ({"all_proxy": "socks://proxy.test:1080/"}, "https://abc.supabase.co", "proxy.test:1080"),
        ({"ALL_PROXY": "socks5h://u:p@proxy.test"}, "https://abc.supabase.co", "proxy.test:1080"),
        ({"ALL_PROXY": "socks5://proxy.test:"}, "http://kong.test:8000", "proxy.test:1080"),
        ({"ALL_PROXY": "SOCKS5://proxy.test:99"}, "http://kong.test:8000", "proxy.test:99"),
        ({"ALL_PROXY": "http://a.test:1", "HTTPS_PROXY": "http://b.test:2"}, "https://abc.supabase.co", "b.test:2"),
        ({"HTTPS_PROXY": "http://a.test:1", "NO_PROXY": "supabase.co"}, "https://abc.supabase.co", None),
        ({"HTTPS_PROXY": "http://a.test:1", "NO_PROXY": "x.test, *"}, "https://abc.supabase.co", None),
        ({"HTTPS_PROXY": ""}, "https://abc.supabase.co", None),
        ({}, "https://abc.supabase.co", None),
    ],
)
def test_every_client_asks_the_same_proxy(
    environment: Callable[..., None], library: str, variables: dict[str, str], url: str, asked: str | None
) -> None:
    environment(**variables)
    proxies.settle()
    assert proxy_of(library, url) == asked


@pytest.mark.parametrize("load", [lambda: config.load(config.WebSettings), local_settings.load])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PROXY", f"ftp://u:{PASSWORD}@proxy.test:21"),
        ("https_proxy", f"socks4://u:{PASSWORD}@proxy.test:1080"),
        ("ALL_PROXY", f"http://u:{PASSWORD}@proxy.test:port"),
        ("all_proxy", f"http://u:{PASSWORD}@"),
        ("HTTPS_PROXY", f"http://{PASSWORD}@proxy.test:3128"),
        ("HTTPS_PROXY", f"http://proxy.test:3128/{PASSWORD}"),
        ("HTTPS_PROXY", f"http://[::1/{PASSWORD}"),
        ("HTTPS_PROXY", f"{PASSWORD} proxy.test"),
        ("SOCKS_PROXY", f"socks9://{PASSWORD}"),
    ],
)
def test_one_that_cannot_be_used_is_told_by_name_and_without_its_password(
    environment: Callable[..., None], load: Callable[[], object], name: str, value: str
) -> None:
    environment(**{name: value})
    with pytest.raises(ConfigError, match=rf"(?m)^  {name}: .*must look like http://proxy\.example:3128") as refused:
        load()
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("spared", ["a:b:c", "http://x:port", "é.test"])
def test_a_list_of_exceptions_that_cannot_be_read_is_told_by_name(
    environment: Callable[..., None], spared: str
) -> None:
    environment(HTTP_PROXY=NOBODY, NO_PROXY=spared)
    with pytest.raises(ConfigError, match=r"(?m)^  NO_PROXY: It cannot be read"):
        proxies.settle()


def test_without_a_proxy_nothing_is_touched(environment: Callable[..., None]) -> None:
    environment(NO_PROXY="example.com")
    before = dict(os.environ)
    proxies.settle()
    assert dict(os.environ) == before


VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40) | st.from_regex(
    r"(https?|socks5?h?|ftp)?(://)?([a-z:]*@)?[a-z.\[\]:]{0,12}(:[0-9]{0,6})?[/?#]?", fullmatch=True
)


@settings(derandomize=True, max_examples=100, deadline=None, print_blob=True)
@given(kind=st.sampled_from(["http", "https", "all", "ws", "wss", "socks"]), value=VALUES, spared=VALUES)
def test_whatever_is_taken_every_client_can_read(kind: str, value: str, spared: str) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ |= {f"{kind}_proxy": value, "no_proxy": spared}
    with suppress(ConfigError):
        proxies.settle()
        for url in ("https://abc.supabase.co", "http://127.0.0.1:54321"):
            for library in ("httpx", "httpx2", "requests", "websockets"):
                proxy_of(library, url)
