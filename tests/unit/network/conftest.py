"""Both kinds of servers, with any limits."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.served import Served
from tests.support.served_apps import SCRIPTS, THREADS, page, private
from worker.network import clients
from worker.network.serving import Server, listen


@pytest.fixture(params=[page, private])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """The page, and the worker's ports; call it with other limits."""
    with ExitStack() as servers:

        def start(**limits: int) -> Served:
            app = request.param(tmp_path / "built")
            server = Server(app, listen("127.0.0.1", 0), THREADS, **limits)
            servers.callback(server.close)
            return Served(server, SCRIPTS[request.param])

        yield start


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience in tenths of a second."""
    for name in ("REQUEST_SECONDS", "STALL_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(clients, name, 0.3, raising=False)
