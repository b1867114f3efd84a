"""The commands: `python -m worker run`, `web`, `check`, `ops-token`, `local`."""

import asyncio
import sys
import threading

import click

from worker import config, ops_token
from worker.errors import ConfigError
from worker.telemetry import logs


@click.group()
def main() -> None:
    """PostBro Chat."""
    logs.configure()


@main.command()
def run() -> None:
    """Answer questions: the worker, with health on HEALTH_PORT, and figures on OPS_PORT."""
    from worker.leaving import leave_within
    from worker.run import run as run_worker

    asyncio.run(run_worker(config.load(config.WorkerSettings), leave_within))


@main.command()
def web() -> None:
    """Serve the chat page and the HTTP endpoints on WEB_PORT."""
    from worker.web.app import create_page_app, serve, tell_of_address

    stopping = threading.Event()
    settings = config.load(config.WebSettings)
    tell_of_address(settings.supabase_url, settings.web_host)
    serve(
        create_page_app(
            settings.supabase_url,
            settings.supabase_publishable_key,
            threads=settings.web_threads,
            wait_seconds=settings.web_wait_seconds,
            stopping=stopping,
        ),
        settings.web_host,
        settings.web_port,
        settings.web_threads,
        stopping,
    )


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def check(as_json: bool) -> None:
    """Test the configuration end to end: keys, project, database, Realtime, model, clocks.

    Exit status 0: a worker can work. 1: there is a problem. 2: the settings cannot be read.
    """
    from worker.check.command import command

    sys.exit(command(as_json))


@main.command("ops-token")
def make_ops_token() -> None:
    """Make a token for OPS_TOKEN: 256 random bits. It is printed, and kept nowhere."""
    click.echo(ops_token.make())


def add_local() -> None:
    """Add the command `local` if its packages are installed; they are not part of a deployed worker."""
    try:
        from worker.local.command import local
    except ModuleNotFoundError:
        return
    main.add_command(local)


if __name__ == "__main__":
    if sys.argv[1:2] not in (["run"], ["web"], ["check"], ["ops-token"]):
        add_local()
    try:
        main()
    except ConfigError as error:
        sys.exit(str(error))
