"""What the gateway with a hosted project's manners does to requests, in both versions of HTTP, and what it leaves."""

import asyncio
import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import trustme

from tests.support.before_api import gateway
from worker.database.api_errors import translate
from worker.errors import DatabaseAway
from worker.local.supabase.hosted import answers
from worker.local.supabase.hosted.manners import Cut, Manners, Verdict
from worker.local.supabase.hosted.messages import Answer, Request
from worker.local.supabase.hosted.weather import MAX_ROWS, Weather

CALL = "/rest/v1/rpc/beat"
LONG = b"x" * 300_000  # more than any window of HTTP/2 holds at first


@dataclass
class Api:
    port: int = 0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def api() -> Iterator[Api]:
    told = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            told.asked.append(self.path)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        told.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield told
        server.shutdown()


@dataclass
class Scripted(Manners):
    """The next verdicts; then none."""

    verdicts: list[Verdict] = field(default_factory=list)

    def judge(self, request: Request) -> Verdict:
        return self.verdicts.pop(0) if self.verdicts else Verdict()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def http(request: pytest.FixtureRequest, api: Api, authority: trustme.CA) -> Iterator[tuple[httpx.Client, Scripted]]:
    """A client that speaks this version with a gateway, and the gateway's manners."""
    version, manners = request.param, Scripted()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    with (
        gateway(api.port, manners, tls=server) as port,
        httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=client, http2=version == "HTTP/2") as made,
    ):
        assert made.post(CALL, content=b"1").http_version == version
        api.asked.clear()
        yield made, manners


def test_a_request_is_handed_on_and_its_answer_back(api: Api, http: tuple[httpx.Client, Scripted]) -> None:
    client, _ = http
    assert client.post(f"{CALL}?a=b", content=LONG).content == LONG
    assert client.get("/rest/v1/nothing").content == b""
    assert api.asked == [f"{CALL}?a=b", "/rest/v1/nothing"]


def test_an_answer_may_come_instead(api: Api, http: tuple[httpx.Client, Scripted]) -> None:
    client, manners = http
    for is_made in (True, False):
        manners.verdicts = [Verdict(is_made=is_made, instead=answers.BUSY)]
        answer = client.post(CALL, content=b"1")
        assert (answer.status_code, answer.content) == (429, answers.BUSY.body)
        assert answer.headers["retry-after"] == "1"
    assert api.asked == [CALL]


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("is_made", [True, False])
def test_a_request_may_be_left_without_one(
    api: Api, http: tuple[httpx.Client, Scripted], cut: Cut, is_made: bool
) -> None:
    client, manners = http
    manners.verdicts = [Verdict(is_made=is_made, instead=cut)]
    with pytest.raises(httpx.HTTPError):
        client.post(CALL, content=b"1")
    assert api.asked == [CALL] * is_made
    assert client.post(CALL, content=b"2").content == b"2"


def test_a_connection_may_end_with_an_answer(http: tuple[httpx.Client, Scripted]) -> None:
    client, manners = http
    manners.verdicts = [Verdict(is_last=True)] * 3
    assert [client.post(CALL, content=b"1").content for _ in range(4)] == [b"1"] * 4


async def test_an_idle_connection_is_cut(api: Api) -> None:
    with gateway(api.port, Manners(), idle_seconds=0.05) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_a_socket_passes(api: Api) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + await reader.readexactly(4))
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    with gateway(server.sockets[0].getsockname()[1], Manners()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /realtime/v1/websocket HTTP/1.1\r\nupgrade: websocket\r\n\r\nping")
        async with asyncio.timeout(10):
            assert (await reader.read()).endswith(b"\r\n\r\nping")
        writer.close()
    server.close()


# The weather


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def a_day(seed: int) -> tuple[Weather, list[Verdict]]:
    """An hour of calls, ten a second."""
    clock = Clock()
    weather = Weather(seed, clock=clock)
    verdicts = []
    for _ in range(36_000):
        clock.now += 0.1
        verdicts.append(weather.judge(Request("POST", CALL, ())))
    return weather, verdicts


def test_a_seed_has_its_troubles_again_and_all_kinds_of_them() -> None:
    weather, verdicts = a_day(7)
    assert a_day(7)[1] == verdicts
    assert a_day(8)[1] != verdicts
    assert all(hit > 50 for hit in weather.hit.values()), weather.hit
    hurt = sum(verdict != Verdict() for verdict in verdicts)
    assert 0.02 < hurt / len(verdicts) < 0.3
    instead = Counter(verdict.instead for verdict in verdicts)
    assert instead.keys() >= {*answers.POSTGREST, *answers.GATEWAY, *Cut}


def test_the_stacks_own_health_is_left_alone_and_a_browser_may_ask_whether_it_may_ask() -> None:
    clock = Clock()
    weather = Weather(7, clock=clock)
    for method, path in (("GET", "/health"), ("GET", "/realtime/v1/websocket"), ("OPTIONS", CALL)):
        for _ in range(2_000):
            clock.now += 0.1
            assert weather.judge(Request(method, path, ())) == Verdict()


@pytest.mark.parametrize("answer", [*answers.POSTGREST, *answers.GATEWAY])
def test_whatever_comes_from_there_passes_by_itself(answer: Answer) -> None:
    code = json.loads(answer.body)["code"] if "json" in answer.header("content-type") else ""
    assert isinstance(translate("beat", code, answer.status, dict(answer.headers)), DatabaseAway)


@pytest.mark.parametrize(
    ("target", "limit"),
    [
        ("/rest/v1/chat_messages?select=*", MAX_ROWS),
        ("/rest/v1/chat_messages?select=*&limit=1000&order=turn.desc", MAX_ROWS),
        ("/rest/v1/chat_messages?limit=0", 0),
        ("/rest/v1/chat_messages?limit=31&or=(a.eq.1,b.eq.%2C)", 31),
        ("/rest/v1/chat_messages", MAX_ROWS),
    ],
)
def test_no_read_answers_more_than_max_rows(target: str, limit: int) -> None:
    changed = Weather(1).change(Request("GET", target, ()))
    before, after = (parse_qs(urlsplit(each).query) for each in (target, changed.target))
    assert after.pop("limit") == [str(limit)]
    before.pop("limit", None)
    assert after == before
    for method, other in (("POST", "/rest/v1/chat_messages"), ("GET", "/auth/v1/user"), ("POST", CALL)):
        assert Weather(1).change(Request(method, other, ())).target == other
