"""`python -m worker.local.gemini --port N`: serve the offline model on this machine."""

import logging
from pathlib import Path

import click
import uvicorn

from worker.local import own_name

from .call_log import CallLog
from .connection import OpenProtocol
from .fault_queue import FaultQueue
from .server import create_app

DEFAULT_PACE_MS = 30  # about the speed at which people read along
SHUTDOWN_SECONDS = 2  # for streams in progress, which are closed afterwards


@click.command()
@click.option("--port", type=int, required=True, help="Port on 127.0.0.1.")
@click.option("--pace-ms", type=click.IntRange(min=0), default=DEFAULT_PACE_MS, show_default=True)
@click.option("--log", "log_file", type=click.Path(dir_okay=False, path_type=Path), help="Append each call here.")
@click.option("--faults", is_flag=True, help="Misbehave on request: POST, GET and DELETE /faults.")
def main(port: int, pace_ms: int, log_file: Path | None, faults: bool) -> None:
    """Answer like Gemini, from the post and its analysis, without Gemini."""
    logging.basicConfig(level=logging.INFO)
    app = create_app(pace=pace_ms / 1000, log=CallLog(log_file), faults=FaultQueue() if faults else None)
    uvicorn.run(
        own_name.required(app),
        host="127.0.0.1",
        port=port,
        http=OpenProtocol if faults else "auto",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


if __name__ == "__main__":
    main()
