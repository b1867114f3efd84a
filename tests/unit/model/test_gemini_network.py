"""The way to Gemini: through the proxy and with the certificates that the environment names, as for the rest."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from tests.support.scripted_model import Exchange, ScriptedModel, chunk, says
from worker.config import WorkerSettings
from worker.errors import ModelError, ModelOverloaded, RateLimited
from worker.model.gemini import Gemini
from worker.prompt.context import Prompt
from worker.rows import Message

PROMPT = Prompt("Persona", [Message("user", "Why?")])
ANSWER = b"data: " + json.dumps(chunk("x", "STOP")).encode() + b"\n\n"
NAME = "model.invalid"  # a name that nobody but the proxy knows
PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
CERTIFICATES = ["SSL_CERT_FILE", "SSL_CERT_DIR"]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*PROXIES, *CERTIFICATES]:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on this machine; answers its port. No connection outlives it."""
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                await handler(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()

    server = await asyncio.start_server(
        lambda reader, writer: tasks.add(asyncio.create_task(converse(reader, writer))), "127.0.0.1", 0, ssl=context
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Proxy:
    """Passes on what it is asked for to one port, by CONNECT or by itself, and notes what that was.

    Without a port, nothing can be reached through it.
    """

    def __init__(self, url: str | None) -> None:
        self._port = None if url is None else int(url.rsplit(":", 1)[1])
        self.asked: list[str] = []
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Proxy"]:
        async with serving(self._pass_on) as port:
            self.url = f"http://127.0.0.1:{port}"
            yield self

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        self.asked.append(f"{method.decode()} {target.decode()}")
        if self._port is None:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        answer, request = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            if method == b"CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                request.write(head)
            await asyncio.gather(_copy(reader, request), _copy(answer, writer))
        finally:
            request.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def tls_model(authority: trustme.CA) -> AsyncIterator[str]:
    """Gemini with a certificate of this authority, for its invented name and for this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME, "127.0.0.1").configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)
        writer.write(head + ANSWER)
        await writer.drain()

    async with serving(answer, context) as port:
        yield f"https://127.0.0.1:{port}"


async def asked(url: str) -> list[str] | ModelError:
    """What a worker that is started now hears from there."""
    gemini = Gemini(
        WorkerSettings(
            _env_file=None,
            supabase_url="http://unused",
            supabase_secret_key="unused",
            gemini_api_key="the-key",
            gemini_base_url=url,
        )
    )
    try:
        async with gemini.stream("m", PROMPT) as stream:
            try:
                return [piece async for piece in stream]
            except ModelError as error:
                return error
    finally:
        await gemini.close()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_plain_http_goes_through_the_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedModel(says(chunk("x", "STOP"))) as model, Proxy(model.url).serving() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert await asked(f"http://{NAME}") == ["x"]

    [target] = proxy.asked
    assert target.startswith(f"POST http://{NAME}/")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_https_goes_through_the_proxy_and_stays_secret_from_it(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with tls_model(authority) as url, Proxy(url).serving() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert await asked(f"https://{NAME}") == ["x"]

    assert proxy.asked == [f"CONNECT {NAME}:443"]


async def test_what_needs_no_proxy_goes_past_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedModel(says(chunk("x", "STOP"))) as model, Proxy(model.url).serving() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "other.example,127.0.0.1")
        assert await asked(model.url) == ["x"]

    assert proxy.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_does_not_reach_it_is_trouble_that_passes(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(None).serving() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert isinstance(await asked(f"{scheme}://{NAME}"), ModelOverloaded)
    assert len(proxy.asked) == 1


async def test_through_a_proxy_it_is_still_one_request_for_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}})

    async with ScriptedModel(script) as model, Proxy(model.url).serving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert isinstance(await asked(f"http://{NAME}"), RateLimited)
        assert len(model.requests) == len(proxy.asked) == 1


async def test_a_certificate_of_an_authority_of_one_s_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with tls_model(authority) as url:
        assert isinstance(await asked(url), ModelOverloaded)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert await asked(url) == ["x"]
