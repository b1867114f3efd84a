"""A stack with several workers, each of which can be hurt alone."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.chaos import sabotage
from tests.chaos.gateway import Gateway, gateway
from tests.support import limits
from tests.support.waiting import wait_for
from worker.local.processes import Service, http_ready, python_module
from worker.local.settings import Ports
from worker.local.stack import ROOT, Stack

LEASE_SECONDS = 5.0
SWEEP_SECONDS = 3.0
MAX_WAIT_SECONDS = 150.0  # the reconciler looks ten times in this
STOP_SECONDS = 15.0  # the worker's grace period, and what it takes on a busy machine to say good-bye


@dataclass(frozen=True)
class Footprint:
    """What a process has of the machine. Sockets are open files; memory is what is resident, in kB."""

    files: int
    threads: int
    memory: int

    def __str__(self) -> str:
        return f"{self.files} files, {self.threads} threads, {self.memory} kB"


class Worker(Service):
    """`python -m worker run`, on a port of its own; or, without one of its guards, its sabotaged like."""

    def __init__(
        self, number: int, stack: Stack, port: int, environment: dict[str, str], missing: str | None = None
    ) -> None:
        self.port = port
        self.log = stack.directory / "logs" / f"worker-{number}.log"
        self._first_byte = 0
        is_whole = missing not in sabotage.IN_THE_WORKER
        super().__init__(
            f"worker {number}",
            python_module("worker", "run") if is_whole else python_module("tests.chaos.sabotage", str(missing)),
            log=self.log,
            ready=http_ready(port, "/healthz"),
            environment={**stack.environment, **environment, "HEALTH_PORT": str(port), "OPS_PORT": "0"},
            working_directory=ROOT,
        )

    def launch(self) -> None:
        if not self.running:
            self._first_byte = self.log.stat().st_size if self.log.exists() else 0
        super().launch()

    @property
    def id(self) -> str:
        """The worker_id of its claims, by its own words. It has another one after each burial."""
        return wait_for(self._read_id, f"the first words of {self.name}")

    def _read_id(self) -> str | None:
        registered = [line["worker_id"] for line in self.lines() if line["action"] in ("started", "registered")]
        return registered[-1] if registered else None

    def lines(self, *, of_all_starts: bool = False) -> Iterator[dict[str, Any]]:
        """What it has logged since it was started."""
        with self.log.open("rb") as log:
            log.seek(0 if of_all_starts else self._first_byte)
            for line in log:
                if line.startswith(b"{") and line.endswith(b"}\n"):
                    yield {"action": None, **json.loads(line)}

    def signal(self, number: signal.Signals) -> None:
        if self.pid:
            os.kill(self.pid, number)

    def drain(self) -> int | None:
        """SIGTERM: its exit status; None, and it is killed, if it does not come in time."""
        self.ask_to_stop()
        try:
            return self._process.wait(STOP_SECONDS) if self._process else 0
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.kill()

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def footprint(self) -> Footprint:
        process = Path(f"/proc/{self.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return Footprint(
            files=len(list((process / "fd").iterdir())),
            threads=int(status["Threads"]),
            memory=int(status["VmRSS"].split()[0]),
        )


@contextmanager
def house(
    directory: Path, workers: int, seed: int, missing: str | None = None, hosted_manners: bool = False
) -> Iterator[tuple[Stack, Gateway, list[Worker]]]:
    """`missing`: the guard that is taken away, one of sabotage.NAMES."""
    log = directory / "calls.jsonl"
    options = ("--pace-ms", "10", "--log", str(log), "--faults")
    with (
        Stack(
            directory,
            ports=Ports.free(),
            worker=False,
            web=False,
            durable=True,
            model_arguments=options,
            hosted_manners=hosted_manners,
            seed=seed,
        ) as stack,
        gateway(stack.ports.api, seed) as before_api,
    ):
        limits.take_off(stack.environment["DATABASE_URL"])
        if missing in sabotage.IN_THE_DATABASE:
            with psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True) as connection:
                connection.execute(sabotage.IN_THE_DATABASE[missing])
        settings = {
            "SUPABASE_URL": before_api.url,
            "REPLY_MAX_WAIT_SECONDS": str(MAX_WAIT_SECONDS),
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "SWEEP_SECONDS": str(SWEEP_SECONDS),
            "REALTIME_MESSAGES_PER_SECOND": str(80 / workers),
        }
        free = [getattr(ports, name) for ports in (Ports.free(), Ports.free()) for name in Ports.model_fields]
        crew = [Worker(n, stack, port, settings, missing) for n, port in zip(range(workers), free, strict=False)]
        try:
            for worker in crew:
                worker.start()
                wait_for(worker.is_ready, f"{worker.name} to be ready", 30)
            yield stack, before_api, crew
        finally:
            for worker in crew:
                worker.signal(signal.SIGCONT)
                worker.stop()
