"""The worker's two ports: whatever is done to the one for figures, the one for health answers."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.served import Served, request
from tests.support.waiting import wait_for
from worker.network import clients
from worker.network.serving import BESIDE_THREADS, serve_in_thread
from worker.operations.app import create_ops_app
from worker.operations.health import create_health_app


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """The database does not answer until it is set."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def ports(hang: threading.Event) -> Iterator[tuple[Served, Served]]:
    """For health, and for figures."""

    def read_figures() -> dict[str, Any]:
        hang.wait()
        return {}

    with ExitStack() as servers:
        served = []
        for app in (create_health_app(dict, lambda: True), create_ops_app(read_figures, dict, None)):
            server = serve_in_thread(app, "127.0.0.1", 0)
            servers.callback(server.close)
            served.append(Served(server, ""))
        yield served[0], served[1]
        hang.set()


def test_figures_that_hang_do_not_keep_health_from_answering(ports: tuple[Served, Served]) -> None:
    """A supervisor would end a worker that works."""
    health, figures = ports
    with ExitStack() as askers:
        for _ in range(BESIDE_THREADS * 2):
            askers.enter_context(figures.connect()).sendall(request("GET", "/ops/report.json"))
        dispatcher = figures.server._server.task_dispatcher
        wait_for(lambda: dispatcher.active_count == BESIDE_THREADS and dispatcher.queue, "all threads to wait", 30)
        assert health.is_well()
        assert health.send(request("GET", "/readyz")).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("target", [0, 1], ids=["health", "figures"])
def test_half_open_connections_keep_nobody_out_nor_take_all_files(ports: tuple[Served, Served], target: int) -> None:
    health, figures = ports
    with ExitStack() as idle:
        for number in range(clients.BESIDE_CONNECTIONS + 50):
            client = idle.enter_context(ports[target].connect())
            client.sendall(b"GET /healthz HTTP/1.1\r\n" if number % 2 else b"")
        assert all(health.is_well() for _ in range(5))
        assert len(ports[target].server._server.active_channels) <= clients.BESIDE_CONNECTIONS
        assert figures.send(request("GET", "/metrics")).startswith(b"HTTP/1.1 200 OK")
