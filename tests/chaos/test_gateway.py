"""What stands between the workers and the API in a run under faults does what the faults ask of it."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.chaos.gateway import CLAIM, FUNCTIONS, REFUSALS, Gateway, gateway
from worker.database.api_errors import translate
from worker.errors import DatabaseAway

BEAT = f"{FUNCTIONS}beat"


class Api:
    """An API that counts the calls which reach it, and answers a claim with what `replies` says."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.replies: list[int] = [1]


@pytest.fixture
def api() -> Iterator[tuple[Api, Gateway]]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            api.calls[self.path] += 1
            body = json.dumps({"replies": api.replies}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            """Any socket: what it is told, it says."""
            self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + self.rfile.read(4))
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with gateway(server.server_address[1], seed=1) as before:
            yield api, before
        server.shutdown()


def test_a_call_is_handed_on(api: tuple[Api, Gateway]) -> None:
    told, before = api
    assert httpx.post(before.url + BEAT, json={}).json() == {"replies": [1]}
    assert told.calls == {BEAT: 1}


def test_calls_are_refused_in_every_manner_half_of_them_after_they_were_made(api: tuple[Api, Gateway]) -> None:
    told, before = api
    before.refuse(1.0)
    number = 2 * len(REFUSALS)
    answers = [httpx.post(before.url + BEAT, json={}) for _ in range(number)]
    assert {answer.content for answer in answers} == {refusal.body for refusal in REFUSALS}
    assert told.calls[BEAT] == number / 2
    for answer in answers:
        code = answer.json()["code"] if "json" in answer.headers["content-type"] else ""
        assert isinstance(translate("beat", code, answer.status_code, answer.headers), DatabaseAway)
    before.refuse(0.0)
    assert httpx.post(before.url + BEAT, json={}).is_success


def test_the_answer_of_a_claim_that_brings_something_is_lost(api: tuple[Api, Gateway]) -> None:
    told, before = api
    before.lose_claims(1)
    told.replies = []
    assert httpx.post(before.url + CLAIM, json={}).is_success
    told.replies = [1]
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(before.url + CLAIM, json={})
    assert before.lost == 1
    assert httpx.post(before.url + CLAIM, json={}).is_success


async def test_a_socket_passes(api: tuple[Api, Gateway]) -> None:
    _, before = api
    reader, writer = await asyncio.open_connection("127.0.0.1", int(before.url.rsplit(":", 1)[1]))
    writer.write(b"GET /realtime/v1/websocket HTTP/1.1\r\nupgrade: websocket\r\n\r\nping")
    async with asyncio.timeout(5):
        assert (await reader.read()).endswith(b"\r\n\r\nping")
    writer.close()
