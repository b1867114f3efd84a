"""A stack and several workers, for benchmarks: what each has counted is read from its /metrics."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.support import limits
from tests.support.waiting import wait_for
from worker.local.processes import Service, http_ready, python_module
from worker.local.settings import Ports
from worker.local.stack import ROOT, Stack


@contextmanager
def crew(directory: Path, workers: int, **settings: object) -> Iterator[tuple[Stack, list["Metered"]]]:
    """`settings` are the workers'. The model answers at once, and plays faults."""
    options = ("--pace-ms", "0", "--log", str(directory / "calls.jsonl"), "--faults")
    with (
        Stack(
            directory, ports=Ports.free(), worker=False, web=False, durable=False, model_arguments=options
        ) as stack,
        ExitStack() as stopping,
    ):
        limits.take_off(stack.environment["DATABASE_URL"])
        started: list[Metered] = []
        ports = _free_ports(2 * workers)
        for number in range(workers):
            port, ops_port = ports[2 * number : 2 * number + 2]
            worker = Metered(number, port, ops_port, stack, {name: str(value) for name, value in settings.items()})
            stopping.callback(worker.stop)
            worker.start()
            started.append(worker)
        for worker in started:
            wait_for(worker.is_ready, f"{worker.name} to be subscribed", 60)
        yield stack, started


class Metered(Service):
    """`python -m worker run` on ports of its own."""

    def __init__(self, number: int, port: int, ops_port: int, stack: Stack, settings: dict[str, str]) -> None:
        self._url, self._ops_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{ops_port}"
        super().__init__(
            f"worker {number}",
            python_module("worker", "run"),
            log=stack.directory / "logs" / f"worker-{number}.log",
            ready=http_ready(port, "/healthz"),
            environment={**stack.environment, **settings, "HEALTH_PORT": str(port), "OPS_PORT": str(ops_port)},
            working_directory=ROOT,
        )

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self._url}/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def counts(self, metric: str) -> Counter[str]:
        """Of a counter: its labels → its value."""
        text = httpx.get(f"{self._ops_url}/metrics", timeout=5).text
        found = re.findall(rf"^{metric}(?:{{([^}}]*)}})? ([0-9.e+]+)$", text, re.MULTILINE)
        return Counter({labels: float(value) for labels, value in found})


def _free_ports(count: int) -> list[int]:
    ports: list[int] = []
    while len(ports) < count:
        taken = Ports.free()
        ports += [getattr(taken, name) for name in Ports.model_fields]
    return ports[:count]
