"""`python -m worker.local.supabase.hosted`: a proxy that imitates a hosted project, in front of a local API."""

import asyncio
import signal
from datetime import UTC, datetime

import click

from worker.local.supabase.hosted.proxy import Proxy
from worker.local.supabase.hosted.weather import Weather

IDLE_SECONDS = 5.0  # shorter than clients keep connections open, to find clients that cannot handle it


@click.command()
@click.option("--port", type=int, required=True, help="Where to listen, on 127.0.0.1.")
@click.option("--api-port", type=int, required=True, help="Where the API listens.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bursts of trouble.")
def main(port: int, api_port: int, seed: int) -> None:
    """Troubles in bursts, max-rows 100, idle connections cut."""
    asyncio.run(_serve(port, api_port, seed))


async def _serve(port: int, api_port: int, seed: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    proxy = Proxy(api_port, Weather(seed, tell=_tell), IDLE_SECONDS)
    await proxy.start(port)
    await stop.wait()
    await proxy.stop()


def _tell(kind: str) -> None:
    click.echo(f"{datetime.now(UTC).isoformat(timespec='seconds')} trouble: {kind}", err=True)


if __name__ == "__main__":
    main()
