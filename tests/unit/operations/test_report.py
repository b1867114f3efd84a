"""The door to the operator's figures: a web server's threads wait at it, and must never all be caught there."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from worker.config import WorkerSettings
from worker.errors import DatabaseAway, DatabaseError
from worker.operations import report
from worker.operations.report import OpsReport

SECRET = "sb_secret_7f3a"


class Api(ThreadingHTTPServer):
    """Answers /rpc/ops_report with `status` and `body`, once `open` is set."""

    daemon_threads = True
    status, body = 200, json.dumps({"queue": {}})

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.set()
        self.server.open.wait(10)
        body = self.server.body.encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.open.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def door(api: Api) -> Iterator[OpsReport]:
    settings = WorkerSettings(
        _env_file=None,
        supabase_url=f"http://127.0.0.1:{api.server_address[1]}",
        supabase_secret_key=SECRET,
        gemini_api_key="x",
    )
    made = OpsReport(settings)
    yield made
    made.close()


def test_the_answer_is_handed_on(door: OpsReport) -> None:
    assert door.read() == {"queue": {}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, '{"code": "42501", "message": "permission denied for function ops_report"}'),
        (503, '{"code": "PGRST001", "message": "no database"}'),
        (502, "<html>Bad gateway</html>"),
        (200, "<html>Welcome</html>"),
    ],
)
def test_whatever_else_is_answered_is_one_error(door: OpsReport, api: Api, status: int, body: str) -> None:
    api.status, api.body = status, body

    with pytest.raises(DatabaseError, match="ops_report") as caught:
        door.read()

    assert SECRET not in str(caught.value)
    api.status, api.body = 200, "{}"
    assert door.read() == {}


def test_nobody_is_there(door: OpsReport, api: Api) -> None:
    api.shutdown()
    api.server_close()

    with pytest.raises(DatabaseAway, match="ConnectError"):
        door.read()


def test_while_one_reader_waits_the_next_gives_up(door: OpsReport, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "WAIT_SECONDS", 0.05)
    api.open.clear()
    first: list[object] = []
    waiting = threading.Thread(target=lambda: first.append(door.read()))
    waiting.start()
    assert api.asked.wait(10)

    with pytest.raises(DatabaseAway, match="another reader"):
        door.read()

    api.open.set()
    waiting.join()
    assert first == [{"queue": {}}]
    assert door.read() == {"queue": {}}
