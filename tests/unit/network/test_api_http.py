"""Every client of ours at the API's door keeps its key, remembers nothing, and waits for nobody without an end."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from tests.support.before_api import gateway
from tests.support.waiting import until
from worker.check import database as check
from worker.check import project as check_project
from worker.check import realtime as check_realtime
from worker.check.findings import Finding
from worker.config import WorkerSettings
from worker.database.rpc import Database
from worker.errors import DatabaseAway
from worker.local.supabase.hosted.manners import Cut, Manners, Verdict
from worker.local.supabase.hosted.messages import Request
from worker.network import api_http
from worker.operations.report import OpsReport
from worker.realtime.broadcast import Broadcaster
from worker.web.api.problems import Problem
from worker.web.api.project import Project

CALL_SECONDS = 0.2
DRIP_SECONDS = 0.05


class Server(ThreadingHTTPServer):
    """Answers everything with this status and these headers, and an empty object; notes what it was asked."""

    daemon_threads = True
    request_queue_size = 64  # twenty connections come at once
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.headers: dict[str, str] = {}
        self.asked: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(self.server.status)
        for name, value in {"content-length": "2", **self.server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def worker_settings(url: str) -> WorkerSettings:
    return WorkerSettings(_env_file=None, supabase_url=url, supabase_secret_key="sb_secret_x", gemini_api_key="x")


async def ask_as_worker(url: str) -> None:
    database = await Database.connect(worker_settings(url), 5.0, 2)
    for _ in range(2):
        with suppress(DatabaseAway):
            await database.ask("ops_queue", {})
    await database.close()


async def ask_as_operator(url: str) -> None:
    ops_report = OpsReport(worker_settings(url))
    for _ in range(2):
        with suppress(DatabaseAway):
            await asyncio.to_thread(ops_report.read)
    ops_report.close()


async def ask_as_page(url: str) -> None:
    project = Project(url, "sb_publishable_x", 2)
    for _ in range(2):
        with suppress(Problem):
            await asyncio.to_thread(project.as_caller("token").read, "chat_sessions")
    project._client.close()


async def ask_as_check(url: str) -> None:
    for _ in range(2):
        with suppress(KeyError):  # an answer without a clock
            await check.ask(url, "sb_secret_x")


async def ask_as_broadcaster(url: str) -> None:
    broadcaster = Broadcaster(worker_settings(url))
    running = asyncio.create_task(broadcaster.run())
    for answer in ("first", "second"):
        broadcaster.send("session", answer, 1, 0, "text")
        await until(lambda: not (broadcaster._waiting or broadcaster._under_way), "the answer to a delta")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await broadcaster.close()


async def ask_as_check_of_the_keys(url: str) -> None:
    for _ in range(2):
        await check_project.reach(url, "sb_secret_x", "sb_publishable_x")


async def ask_as_check_of_broadcasts(url: str) -> None:
    async def hears() -> bool:
        return True

    ear: Any = SimpleNamespace(listen=lambda: None, hears=hears)
    for _ in range(2):
        await check_realtime.hear_the_worker(ear, url, "sb_secret_x")


CLIENTS = [
    ask_as_worker,
    ask_as_broadcaster,
    ask_as_operator,
    ask_as_page,
    ask_as_check,
    ask_as_check_of_the_keys,
    ask_as_check_of_broadcasts,
]
Client = Callable[[str], Awaitable[None]]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", CLIENTS)
async def test_no_key_and_no_text_follows_a_redirect(ask: Client, status: int) -> None:
    with serving() as project, serving() as elsewhere:
        project.status, project.headers = status, {"location": f"{elsewhere.url}/rest/v1/rpc/ops_queue"}
        await ask(project.url)
        assert len(project.asked) == 2
        assert elsewhere.asked == []


@pytest.mark.parametrize("ask", CLIENTS)
async def test_what_a_gateway_wants_to_be_remembered_by_is_forgotten(ask: Client) -> None:
    """Nor does one user of the page carry another's cookie."""
    with serving() as project:
        project.headers = {"set-cookie": "__cf_bm=abc; path=/"}
        await ask(project.url)
        assert len(project.asked) == 2
        assert all("cookie" not in asked for asked in project.asked)


@asynccontextmanager
async def dripping() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The address of a server that answers a byte at a time, and what is set when its client has gone."""
    gone = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"1\r\n \r\n")
                await writer.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(DRIP_SECONDS):
                        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", gone
    finally:
        server.close()


@pytest.fixture
def no_limit_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this machine pauses for longer than that, it would end a call in the deadline's place."""
    options = api_http.options
    monkeypatch.setattr(api_http, "options", lambda seconds: {**options(seconds), "timeout": None})


@pytest.mark.usefixtures("no_limit_of_a_step")
async def test_an_answer_that_comes_a_byte_at_a_time_is_given_up_as_a_whole() -> None:
    """Each byte would begin the client's own limit anew."""
    async with dripping() as (url, gone):
        database = await Database.connect(worker_settings(url), CALL_SECONDS, 1)
        async with asyncio.timeout(10):
            with pytest.raises(DatabaseAway, match="ops_queue: no answer in time"):
                await database.ask("ops_queue", {})
            await gone.wait()
        await database.close()


async def hear_the_worker(url: str) -> list[Finding]:
    ear: Any = SimpleNamespace(listen=lambda: None)
    return [await check_realtime.hear_the_worker(ear, url, "sb_secret_x")]


async def reach(url: str) -> list[Finding]:
    return (await check_project.reach(url, "sb_secret_x", None)).findings


async def ask_the_database(url: str) -> list[Finding]:
    return (await check.ask(url, "sb_secret_x")).findings


@pytest.mark.usefixtures("no_limit_of_a_step")
@pytest.mark.parametrize(
    ("look", "limit"),
    [
        (reach, (check_project, "SECONDS")),
        (ask_the_database, (check, "SECONDS")),
        (hear_the_worker, (check_realtime, "HEAR_SECONDS")),
    ],
)
async def test_a_check_ends_where_an_answer_does_not(
    monkeypatch: pytest.MonkeyPatch, look: Callable[[str], Awaitable[list[Finding]]], limit: tuple[Any, str]
) -> None:
    monkeypatch.setattr(*limit, CALL_SECONDS)
    async with dripping() as (url, gone), asyncio.timeout(10):
        [finding] = await look(url)
        await gone.wait()
    assert finding.level == "problem"
    assert "(TimeoutError)" in finding.words


MOMENTS = 40  # turns of the loop, more than a call takes here


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_call_that_is_given_up_at_any_moment_costs_no_connection(is_first: bool) -> None:
    """httpcore keeps one for good that is cancelled while it is being opened or taken."""
    with serving() as project:
        for moment in range(MOMENTS):
            database = await Database.connect(worker_settings(project.url), 5.0, 1)
            if not is_first:
                await database.ask("ops_queue", {})
            call = asyncio.create_task(database.ask("ops_queue", {}))
            for _ in range(moment):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert await database.ask("ops_queue", {}) == {}, moment
            await database.close()


class Noting(Manners):
    """Notes each request; `cut` ends one of them without an answer, once all that are under way have come."""

    def __init__(self, cut: Cut | None = None, at: int = 0) -> None:
        self.requests: list[Request] = []
        self._cut, self._at = cut, at

    def judge(self, request: Request) -> Verdict:
        self.requests.append(request)
        is_hurt = self._cut is not None and len(self.requests) == self._at
        return Verdict(instead=self._cut if is_hurt else None, delay=0.0 if is_hurt else 0.3)

    @property
    def spoke_http2(self) -> bool:
        """Only there, no request names its host as a header."""
        return any(not request.header("host") for request in self.requests)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's; what our clients trust is in the environment."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize("ask", CLIENTS)
async def test_a_gateway_that_offers_http2_is_asked_by_http1(ask: Client, tls: ssl.SSLContext) -> None:
    manners = Noting()
    with serving() as project, gateway(project.server_address[1], manners, tls=tls) as port:
        await ask(f"https://127.0.0.1:{port}")
    assert len(manners.requests) == 2
    assert not manners.spoke_http2


@pytest.mark.parametrize("cut", Cut)
async def test_whatever_a_gateway_ends_ends_one_call_of_many(cut: Cut, tls: ssl.SSLContext) -> None:
    """Over HTTP/2 a GOAWAY or a lost connection would end all twenty."""
    manners = Noting(cut, at=20)
    with serving() as project, gateway(project.server_address[1], manners, tls=tls) as port:
        database = await Database.connect(worker_settings(f"https://127.0.0.1:{port}"), 20.0, 30)
        answers = await asyncio.gather(*(database.ask("ops_queue", {}) for _ in range(20)), return_exceptions=True)
        assert await database.ask("ops_queue", {}) == {}
        await database.close()
    assert [type(answer) for answer in answers if answer != {}] == [DatabaseAway], [
        (str(a), repr(a.__cause__)) for a in answers if a != {}
    ]


async def test_a_connection_that_was_cut_while_idle_costs_no_call(tls: ssl.SSLContext) -> None:
    with serving() as project, gateway(project.server_address[1], Noting(), tls=tls, idle_seconds=2.0) as port:
        database = await Database.connect(worker_settings(f"https://127.0.0.1:{port}"), 20.0, 2)
        pool = database._client.postgrest.session._transport._pool
        for _ in range(2):
            assert await database.ask("ops_queue", {}) == {}
            assert len(pool.connections) == 1
            await until(pool.connections[0].has_expired, "the connection to be cut", 30)
        assert await database.ask("ops_queue", {}) == {}
        await database.close()
