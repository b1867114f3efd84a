"""The command `local`: starts Supabase and this project on one machine, without Docker."""

import json
import logging
import os
import platform
import pwd
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from worker.config import is_loopback
from worker.local import settings
from worker.local.processes import StartError, refused
from worker.local.settings import LocalSettings, Ports
from worker.local.stack import ROOT, Stack
from worker.local.supervisor import supervise

log = logging.getLogger(__name__)

DATA = ROOT / ".local"
ANNOUNCED = (
    "SUPABASE_URL",
    "SUPABASE_PUBLISHABLE_KEY",
    "SUPABASE_SECRET_KEY",
    "DATABASE_URL",
    "GEMINI_BASE_URL",
    "GEMINI_API_KEY",
    "WEB_URL",
)


class Stopped(BaseException):
    """A signal asked to stop. A BaseException like KeyboardInterrupt, so that no `except Exception` catches it."""


@click.command()
@click.option("--ephemeral", is_flag=True, help="Temporary data and free ports; all is removed at exit.")
@click.option("--no-worker", is_flag=True, help="Do not start the worker.")
@click.option("--no-web", is_flag=True, help="Do not start the chat page.")
@click.option("--no-model", is_flag=True, help="Do not start the offline model.")
@click.option("--hosted-manners", is_flag=True, help="Answers as a hosted project gives them on a bad day.")
@click.option("--demo", is_flag=True, help="Install the demo account (always, unless --ephemeral).")
def local(ephemeral: bool, no_worker: bool, no_web: bool, no_model: bool, hosted_manners: bool, demo: bool) -> None:
    """Start everything on this machine: database, API, Realtime, model, worker and chat page.

    Prints one line of JSON on standard output when all is ready. Ctrl-C stops everything.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s", force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        _require_platform()
        _require_account()
        choices = settings.load()
        _tell_of_unheeded(choices)
        # Without HOME, Node looks it up in the user database and fails for a user without an account.
        os.environ.setdefault("HOME", tempfile.gettempdir())
        # Temporary stacks are for tests and benchmarks, which must not make paid calls.
        real_model = choices.gemini_api_key is not None and not ephemeral
        with _signals(), _directory(ephemeral) as directory:
            stack = Stack(
                directory,
                ports=Ports.free() if ephemeral else choices.ports,
                worker=not no_worker,
                web=not no_web,
                model=not (no_model or real_model),
                demo=demo or not ephemeral,
                hosted_manners=hosted_manners,
                durable=not ephemeral,
            )
            with stack:
                _announce(stack, choices.gemini_models if real_model else None, choices.ops_token is not None)
                supervise(stack)
    except StartError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(refused(error)) from None
    except Stopped:
        log.info("Stopped.")


def _require_platform() -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise StartError(
            "The embedded Supabase runs on Linux on x86-64 only (WSL too): here, use `supabase start`, "
            "which needs Docker, and put its URL and keys into .env."
        )


def _require_account() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise StartError(
            f"Postgres runs as no user without an account, and user {os.geteuid()} has none here: use one that has."
        ) from None


def _tell_of_unheeded(choices: LocalSettings) -> None:
    for name in ("web_host", "health_host", "ops_host"):
        if not is_loopback(getattr(choices, name)):
            log.warning("%s is not heeded: all of this listens on 127.0.0.1 alone.", name.upper())


@contextmanager
def _signals() -> Iterator[None]:
    """The first signal stops the stack; later ones are ignored, so that they do not interrupt the shutdown."""
    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(*_: object) -> None:
        for number in watched:
            signal.signal(number, signal.SIG_IGN)
        log.info("Stopping …")
        raise Stopped

    for number in watched:
        signal.signal(number, stop)
    yield


@contextmanager
def _directory(ephemeral: bool) -> Iterator[Path]:
    if not ephemeral:
        yield DATA
        return
    with tempfile.TemporaryDirectory(prefix="postbro-chat-") as directory:
        yield Path(directory)


def _announce(stack: Stack, gemini_models: str | None, has_ops_token: bool = False) -> None:
    # The offline model's address and key. A real key is not in this environment, so it is not printed.
    click.echo(json.dumps({name: stack.environment.get(name) for name in ANNOUNCED}))
    environment = stack.environment
    lines = [
        ("Chat page", environment.get("WEB_URL")),
        ("Operator's page", _ops_page(stack, has_ops_token) if "worker" in stack.services else None),
        ("API", environment["SUPABASE_URL"]),
        ("Database", environment["DATABASE_URL"]),
        ("Model", gemini_models or ("offline; set GEMINI_API_KEY for Gemini" if "model" in stack.services else None)),
        ("Demo account", "demo@postbro.test, password postbro-demo" if stack.demo else None),
        ("Logs", str(stack.directory / "logs")),
    ]
    log.info("Ready. Ctrl-C stops everything.")
    for name, value in lines:
        if value:
            log.info("  %-15s %s", name, value)


def _ops_page(stack: Stack, has_token: bool) -> str:
    url = f"http://127.0.0.1:{stack.ports.ops}/ops"
    return f"{url} (sign in with OPS_TOKEN, from .env or the environment)" if has_token else url


if __name__ == "__main__":
    local()
