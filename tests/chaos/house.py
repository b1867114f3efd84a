"""A stack with several workers, each of which can be hurt alone."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from worker.local.processes import Service, http_ready, python_module
from worker.local.settings import Ports
from worker.local.stack import ROOT, Stack

LEASE_SECONDS = 5.0
SWEEP_SECONDS = 5.0


class Worker(Service):
    """`python -m worker run`, on a port of its own."""

    def __init__(self, number: int, stack: Stack, port: int, environment: dict[str, str]) -> None:
        self.port = port
        self.number = number
        super().__init__(
            f"worker {number}",
            python_module("worker", "run"),
            log=stack.directory / "logs" / f"worker-{number}.log",
            ready=http_ready(port, "/healthz"),
            environment={**stack.environment, **environment, "HEALTH_PORT": str(port)},
            working_directory=ROOT,
        )

    def signal(self, number: signal.Signals) -> None:
        if self.pid:
            os.kill(self.pid, number)

    @property
    def is_subscribed(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def footprint(self) -> tuple[int, int]:
        """Open files, sockets among them, and resident memory in kB."""
        process = Path(f"/proc/{self.pid}")
        resident = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS"))
        return len(list((process / "fd").iterdir())), int(resident.split()[1])


@contextmanager
def house(directory: Path, workers: int, environment: dict[str, str]) -> Iterator[tuple[Stack, list[Worker]]]:
    log = directory / "calls.jsonl"
    options = ("--pace-ms", "10", "--log", str(log), "--faults")
    with Stack(
        directory, ports=Ports.free(), worker=False, web=False, durable=True, model_arguments=options
    ) as stack:
        limits = {"LEASE_SECONDS": str(LEASE_SECONDS), "SWEEP_SECONDS": str(SWEEP_SECONDS)}
        share = {"REALTIME_MESSAGES_PER_SECOND": str(80 / workers)}
        free = Ports.free()
        ports = [getattr(free, name) for name in Ports.model_fields]
        crew = [Worker(n, stack, ports[n], {**limits, **share, **environment}) for n in range(workers)]
        try:
            for worker in crew:
                worker.start()
            yield stack, crew
        finally:
            for worker in crew:
                worker.signal(signal.SIGCONT)
                worker.stop()
