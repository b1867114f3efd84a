"""Calls functions of the database by name over the Supabase API. Raises DatabaseError only."""

import asyncio
import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, Self

import httpx
import supabase

from worker.config import WorkerSettings
from worker.database import api_errors
from worker.errors import DatabaseAway
from worker.network import api_http

_answered: contextvars.ContextVar[httpx.Response | None] = contextvars.ContextVar("answered", default=None)


class Database:
    """A connection pool of its own, so that waiting calls do not delay others. `seconds`: timeout of a call."""

    def __init__(self, client: supabase.AsyncClient, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        self._calls: set[asyncio.Task[Any]] = set()

    @classmethod
    async def connect(cls, settings: WorkerSettings, seconds: float, connections: int) -> Self:
        """`connections`: the greatest number of concurrent calls."""

        async def note(response: httpx.Response) -> None:
            _answered.set(response)

        http = httpx.AsyncClient(
            **api_http.options(seconds),
            limits=httpx.Limits(
                max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30
            ),
            event_hooks={"response": [note]},
        )
        client = await supabase.acreate_client(
            settings.supabase_url,
            settings.supabase_secret_key.get_secret_value(),
            # No automatic retry: a function may have changed something before its response was lost.
            supabase.AsyncClientOptions(httpx_client=http, postgrest_client_retry=False, auto_refresh_token=False),
        )
        return cls(client, seconds)

    async def close(self) -> None:
        """Cancel calls in progress and close the connections."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._client.postgrest.session.aclose()

    async def ask(self, function: str, words: dict[str, Any]) -> Any:
        """Call a function with these arguments; return its JSON. Raises DatabaseAway or DatabaseRefused only."""
        call = api_http.apart(self._call(function, words), name=function)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        await asyncio.wait({call}, timeout=self._seconds)
        if not call.done():
            raise DatabaseAway(f"{function}: no answer in time")
        return call.result()

    async def _call(self, function: str, words: dict[str, Any]) -> Any:
        try:
            async with api_http.whole(self._seconds):
                response = await self._client.rpc(function, words).execute()
        except Exception as error:
            answered = _answered.get()
            status = answered.status_code if answered is not None else None
            headers = answered.headers if answered is not None else None
            raise api_errors.of_library(function, error, status, headers) from None
        if isinstance(response.data, str):
            # The client returns a body that is not JSON as text; none of these functions returns text.
            raise DatabaseAway(f"{function}: an answer that is not JSON")
        return response.data


@contextlib.contextmanager
def reading(function: str) -> Iterator[None]:
    """Around code that reads a result: raises DatabaseAway if it has another shape, as from a gateway."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise DatabaseAway(f"{function}: an answer of another shape") from None
