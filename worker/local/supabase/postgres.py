"""The embedded Postgres 17: its data directory, its process, and the schemas and roles of a Supabase project."""

import contextlib
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from worker.local import secret_names
from worker.local.processes import Service, StartError, bound_to_parent
from worker.local.supabase import passwords
from worker.local.supabase.passwords import SUPERUSER

log = logging.getLogger(__name__)

SQL = Path(__file__).parent / "sql"
BOOTSTRAP = ("roles.sql", "auth.sql", "realtime.sql")
NOBODY = 65534
LEFTOVER_SECONDS = 10.0


class Postgres(Service):
    """`durable=False`: faster, but a power cut may destroy the data, so for temporary data only.

    The passwords of its roles are derived from `secret`.
    """

    # Fast shutdown: open transactions are rolled back instead of waited for.
    stop_signal = signal.SIGINT

    def __init__(self, directory: Path, binaries: Path, *, port: int, secret: str, durable: bool, log: Path) -> None:
        self._directory = directory
        self._binaries = binaries
        self._durable = durable
        self._port = port
        self._secret = secret
        super().__init__(
            "Postgres", self._server_command(), log=log, ready=self._accepts_connections, withheld=secret_names.ALL
        )

    def url(self, role: str) -> str:
        """The connection string of a role, with its password."""
        password = passwords.password_of(role, self._secret)
        return f"postgresql://{role}:{password}@127.0.0.1:{self._port}/postgres"

    def launch(self) -> None:
        if self.running:
            return
        if not self._directory.exists():
            self._create_cluster()
        self._clear_leftover()
        passwords.guard(self._directory, self._secret, self._alone)
        super().launch()

    def wait_ready(self, seconds: float = 60.0) -> None:
        super().wait_ready(seconds)
        try:
            self._bootstrap()
        except psycopg.Error as error:
            raise StartError(f"Postgres could not be set up: {error}\n{self.log_tail()}") from None

    def kill(self) -> None:
        """SIGKILL to the server and all its backends, like a power cut."""
        children = _children(self.pid) if self.pid else []
        for child in children:
            _signal_if_there(child, signal.SIGKILL)
        super().kill()

    def _create_cluster(self) -> None:
        # Created under another name and renamed, so that the result of a killed initdb is never used.
        fresh = self._directory.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        if os.geteuid() == 0:
            os.chown(fresh, NOBODY, NOBODY)
        command = [
            str(self._binaries / "initdb"),
            f"--pgdata={fresh}",
            f"--username={SUPERUSER}",
            "--auth=reject",  # until the superuser has its password
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C.UTF-8",
            "--lc-messages=C",
            *([] if self._durable else ["--no-sync"]),
        ]
        result = subprocess.run(
            bound_to_parent(command, "KILL", *_privileges(fresh)), capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise StartError(f"Postgres could not create its data directory:\n{result.stderr.strip()}")
        fresh.rename(self._directory)

    def _clear_leftover(self) -> None:
        """Wait for a server that is still stopping; delete a lock file whose process has ended.

        Postgres only checks whether any process has the id in the file, which after a restart of the machine or
        container may be another program.
        """
        lock = self._directory / "postmaster.pid"
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while (pid := _first_line(lock)) is not None:
            if not _serves(pid, self._directory):
                lock.unlink(missing_ok=True)
            elif time.monotonic() > deadline:
                raise StartError(f"A Postgres (process {pid}) already runs on {self._directory}: stop it first.")
            else:
                time.sleep(0.05)

    def _server_command(self) -> list[str]:
        return [str(self._binaries / "postgres"), "-D", str(self._directory), *self._options()]

    def _alone(self, options: list[str]) -> list[str]:
        """The command line of Postgres in single-user mode, which reads statements from standard input."""
        command = [str(self._binaries / "postgres"), "--single", "-D", str(self._directory), *self._options()]
        return bound_to_parent([*command, *options], "KILL", *_privileges(self._directory))

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "wal_level": "logical",
            # With "off", the write-ahead log reaches Realtime only with the next flush, up to 0.2 s later.
            "synchronous_commit": "on",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "shared_preload_libraries": "pg_stat_statements",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # A failing statement can contain the text of a message, which must not be logged.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        return [f"--{name}={value}" for name, value in settings.items()]

    def _bound_command(self) -> list[str]:
        return bound_to_parent(self._command, "INT", *_privileges(self._directory))

    def _accepts_connections(self) -> bool:
        try:
            psycopg.connect(self.url(SUPERUSER), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _bootstrap(self) -> None:
        """Create the schemas and roles of a Supabase project, once and in one transaction."""
        script = "\n".join((SQL / name).read_text() for name in BOOTSTRAP if (SQL / name).exists())
        version = hashlib.sha256(script.encode()).hexdigest()[:16]
        with psycopg.connect(self.url(SUPERUSER)) as connection:
            found = connection.execute(
                "select shobj_description(oid, 'pg_database') from pg_database where datname = 'postgres'"
            ).fetchone()
            installed = found[0] if found else None
            if installed is None or not installed.startswith("bootstrap "):
                connection.execute(script.encode())
                connection.execute(f"comment on database postgres is 'bootstrap {version}'".encode())
                installed = f"bootstrap {version}"
            passwords.give(connection, self._secret)
            if installed != f"bootstrap {version}":
                log.warning(
                    "%s was set up by another version of this program: if something fails, remove it.",
                    self._directory,
                )


def _privileges(directory: Path) -> tuple[str, ...]:
    """Postgres does not run as root: if we are root, it runs as the owner of its data directory.

    It keeps one capability, dac_override, to read directories and files that only root may read: a folder inside
    root's home, and everything that was installed with a umask of 077.
    """
    if os.geteuid() != 0:
        return ()
    owner = directory.stat()
    return (
        f"--reuid={owner.st_uid}",
        f"--regid={owner.st_gid}",
        "--clear-groups",
        "--securebits=+no_setuid_fixup",  # without it, access(2) ignores the capability
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
    )


def _first_line(file: Path) -> int | None:
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _serves(pid: int, directory: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(directory).encode() in words


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _signal_if_there(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
