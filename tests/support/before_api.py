"""A gateway before the API, in a thread of its own, with manners of any kind."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from worker.local.supabase.hosted.manners import Manners
from worker.local.supabase.hosted.proxy import Proxy


@contextmanager
def gateway(
    port: int, manners: Manners, *, tls: ssl.SSLContext | None = None, idle_seconds: float | None = None
) -> Iterator[int]:
    """Before 127.0.0.1:`port`: the port where it listens."""
    proxy = Proxy(port, manners, idle_seconds)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gateway", daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(proxy.start(tls=tls), loop).result()
    try:
        yield proxy.port
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
