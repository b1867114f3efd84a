"""How every HTTP client of ours asks the Supabase API."""

import asyncio
from collections.abc import Coroutine
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

Answer = TypeVar("Answer")
STEPS = 5
"""Of a request: a free connection, connecting, TLS, sending, reading."""
_under_way: set[asyncio.Task[Any]] = set()


def options(seconds: float) -> dict[str, Any]:
    """Words for httpx.Client and httpx.AsyncClient. `seconds`: for each step of a request."""
    return {
        "timeout": seconds,
        # HTTP/1.1. Over HTTP/2, which the library's own client speaks to a hosted project, all calls share one
        # connection: one GOAWAY, reset or lost packet ends or holds up all of them.
        "http2": False,
        # The key goes to the project and nowhere else; the library's own client would follow a redirect.
        "follow_redirects": False,
        # What a gateway wants to be remembered by concerns no later call.
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    }


def whole(seconds: float) -> asyncio.Timeout:
    """Around a request of a client with `options(seconds)`. Raises TimeoutError.

    Each step has a limit of its own, which begins anew with every byte: what lasts longer than all of them together
    is an answer that drips, and may be cancelled.
    """
    return asyncio.timeout(STEPS * seconds)


def apart(request: Coroutine[Any, Any, Answer], name: str | None = None) -> asyncio.Task[Answer]:
    """A task of its own for a request. Wait for it by asyncio.wait: who is cancelled meanwhile leaves it to itself.

    httpcore 1.0 keeps a connection for good that is cancelled while it is opened or taken: after as many of those as
    there are connections, no request would find a free one.
    """
    task = asyncio.create_task(request, name=name)
    _under_way.add(task)
    task.add_done_callback(_forget)
    return task


def _forget(task: asyncio.Task[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        task.exception()  # retrieved here: its caller may have stopped waiting
