"""A child process: start, wait until ready, stop, kill. It is killed when its parent dies."""

import errno
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

# The signal that Linux sends to a child when its parent dies. Not SIGTERM: the worker would use its grace period
# although the API has died as well, and its port would not be free for the next start.
PARENT_DEATH = "KILL"

START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02


class StartError(Exception):
    """A part of the local stack cannot start. The message is a sentence for the user."""


REMEDIES = {
    errno.ENOSPC: "Make room on that disk.",
    errno.EDQUOT: "Make room: your share of that disk is used up.",
    errno.EROFS: "Use a copy of this folder that can be written, or --ephemeral.",
    errno.EACCES: "Use a copy of this folder that is yours, or --ephemeral.",
    errno.EMFILE: "Raise the limit of open files: ulimit -n.",
    errno.ENOENT: "Is it installed? setpriv comes with util-linux, all else with make install.",
}


def refused(error: OSError) -> str:
    """A sentence for an error of the operating system at a start, with a remedy if one is known."""
    what = f"{error.filename}: " if error.filename else ""
    return f"{what}{error.strerror or error}. {REMEDIES.get(error.errno or 0, '')}".strip()


class Service:
    """A process with its own log file. `ready`: whether it is ready; polled after a start.

    Its environment is ours without the variables of `withheld`, updated with `environment`.
    """

    stop_signal = signal.SIGTERM

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        log: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        withheld: Collection[str] = (),
        working_directory: Path | None = None,
    ) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._logged_before = 0  # bytes, by earlier starts
        self._ready = ready
        self._environment = dict(environment or {})
        self._withheld = frozenset(withheld)
        self._working_directory = working_directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.running else None

    @property
    def died(self) -> bool:
        """Whether it has ended although it was not stopped."""
        return self._process is not None and not self.running

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it and return when it is ready. Raises StartError, with the end of its log, if it does not."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it without waiting, so that several can start at the same time."""
        if self.running:
            return
        inherited = {name: value for name, value in os.environ.items() if name not in self._withheld}
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            self._logged_before = log.tell()
            self._process = subprocess.Popen(
                self._bound_command(),
                env={**inherited, **self._environment},
                cwd=self._working_directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal must reach only the parent, which stops its children in order.
                start_new_session=True,
            )

    def _bound_command(self) -> list[str]:
        return bound_to_parent(self._command, PARENT_DEATH)

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not self._ready():
            if not self.running:
                raise StartError(f"{self.name} stopped while starting:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready after {seconds:.0f} s:\n{self.log_tail()}")
            time.sleep(POLL_SECONDS)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Send the stop signal, wait `seconds`, then kill it if it has not ended."""
        self.ask_to_stop()
        self.wait_stopped(seconds)

    def ask_to_stop(self) -> None:
        if self._process and self.running:
            self._process.send_signal(self.stop_signal)

    def wait_stopped(self, seconds: float = STOP_SECONDS) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL, like a crash: connections are not closed in order."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = None

    def log_tail(self, lines: int = 15) -> str:
        """The last lines that it has logged since its start."""
        if not self._log.exists():
            return "(no log)"
        text = self._log.read_bytes()[self._logged_before :].decode(errors="replace").splitlines()[-lines:]
        return "\n".join([*text, f"(the whole log: {self._log})"])


def bound_to_parent(command: list[str], death_signal: str, *privileges: str) -> list[str]:
    return ["setpriv", "--pdeathsig", death_signal, *privileges, "--", *command]


def http_ready(port: int, path: str) -> Callable[[], bool]:
    """A function that tells whether GET `path` on 127.0.0.1:`port` is answered with 200."""

    def ready() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ready


def python_module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]
