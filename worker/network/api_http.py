"""Options and time limits of our HTTP clients for the Supabase API."""

import asyncio
from collections.abc import Coroutine
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

Answer = TypeVar("Answer")
STEPS = 5
"""Steps of a request, each with its own timeout: a free connection, connecting, TLS, sending, reading."""
_under_way: set[asyncio.Task[Any]] = set()


def options(seconds: float) -> dict[str, Any]:
    """Keyword arguments for httpx.Client and httpx.AsyncClient. `seconds`: the timeout of each step of a request."""
    return {
        "timeout": seconds,
        # HTTP/1.1. Over HTTP/2, which the library's own client speaks to a hosted project, all calls share one
        # connection: one GOAWAY, reset or lost packet ends or holds up all of them.
        "http2": False,
        # A redirect would send the key to another host; the library's own client follows redirects.
        "follow_redirects": False,
        # No cookies: those that a gateway sets would go with every later call.
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    }


def whole(seconds: float) -> asyncio.Timeout:
    """Around a request of a client with `options(seconds)`. Raises TimeoutError.

    httpx restarts a step's timeout with every byte, so it never ends a response that arrives byte by byte. This
    limit, the sum of all steps, does.
    """
    return asyncio.timeout(STEPS * seconds)


def apart(request: Coroutine[Any, Any, Answer], name: str | None = None) -> asyncio.Task[Answer]:
    """Run a request in its own task. Wait for it by asyncio.wait, so that it goes on if the caller is cancelled.

    httpcore 1.0 loses a connection of its pool if a request is cancelled while it opens or acquires one: after some
    cancellations no request would get a connection.
    """
    task = asyncio.create_task(request, name=name)
    _under_way.add(task)
    task.add_done_callback(_forget)
    return task


def _forget(task: asyncio.Task[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        task.exception()  # retrieved here: its caller may have stopped waiting
