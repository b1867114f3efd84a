"""A chat's history by pages, from an API whose own limit of rows may be any number."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.before_api import gateway
from worker.local.supabase.hosted.weather import Weather
from worker.web.api import conversation
from worker.web.api.project import Caller, Project
from worker.web.api.requests import Page


@pytest.fixture
def turns() -> list[int]:
    """Those of the chat: more than the largest limit but one."""
    return list(range(1, 33))


@pytest.fixture
def port(turns: list[int]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            before = int(query.get("turn", "lt.1000000").removeprefix("lt."))
            found = sorted((turn for turn in turns if turn < before), reverse=True)[: int(query["limit"])]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps([{"turn": turn} for turn in found]).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(params=[1, 7, 30, 1000])
def caller(request: pytest.FixtureRequest, port: int) -> Iterator[Caller]:
    with gateway(port, Weather(1, max_rows=request.param, clock=lambda: 0.0)) as before:
        project = Project(f"http://127.0.0.1:{before}", "sb_publishable_x", 1)
        yield project.as_caller("token")
        project._client.close()


@pytest.mark.parametrize("limit", [1, 7, 30, 100])
def test_every_page_is_full_until_the_last_one(caller: Caller, turns: list[int], limit: int) -> None:
    read: list[int] = []
    before: int | None = None
    for _ in range(-(-len(turns) // limit)):
        rows, before = conversation.turns(caller, "session", Page(limit, before))
        assert [row["turn"] for row in rows] == turns[-len(read) - limit :][:limit] or before is None
        read = [row["turn"] for row in rows] + read
    assert (read, before) == (turns, None)


@pytest.mark.parametrize("left", [[], [1], [2], list(range(50, 60))])
def test_a_short_chat_is_one_page(caller: Caller, turns: list[int], left: list[int]) -> None:
    """Questions that were replaced are not in it, also not the first one."""
    turns[:] = left
    rows, before = conversation.turns(caller, "session", Page(100, None))
    assert ([row["turn"] for row in rows], before) == (left, None)
