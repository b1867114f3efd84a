"""`python -m worker.local.realtime --port N`: serve the Realtime stand-in on this machine."""

import logging
import signal

import click
import uvicorn

from worker.local import own_name
from worker.local.realtime import settings
from worker.local.realtime.server import create_app

LARGEST_FRAME = 5_000_000  # bytes; a larger one closes the socket with 1009
SHUTDOWN_SECONDS = 2


@click.command()
@click.option("--port", type=int, required=True, help="Port on 127.0.0.1.")
def main(port: int) -> None:
    """Serve the Realtime stand-in, with settings from the environment."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    # At INFO, uvicorn logs the URL of a socket, which contains the key.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error
    server = uvicorn.Server(
        uvicorn.Config(
            own_name.required(create_app(chosen)),
            host="127.0.0.1",
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="websockets-sansio",
            ws_max_size=LARGEST_FRAME,
            ws_per_message_deflate=False,
            ws_ping_interval=None,  # the protocol has its own heartbeats
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
    )

    # After shutdown uvicorn raises the signal again; with this handler it does not kill the process.
    def stop(*_: object) -> None:
        server.should_exit = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.run()


def _is_news(record: logging.LogRecord) -> bool:
    """Filters out uvicorn's message for a handshake that was refused with a status: it is not an error."""
    return record.msg != "ASGI callable returned without completing handshake."


if __name__ == "__main__":
    main()
