"""The proxy in front of the API. `Manners` decide about each request; WebSockets are forwarded unchanged."""

import asyncio
import contextlib
import ssl

import httpx

from worker.local.supabase.hosted import http1
from worker.local.supabase.hosted.http2 import Answered, Connection
from worker.local.supabase.hosted.manners import Cut, Manners
from worker.local.supabase.hosted.messages import OF_THE_CONNECTION, Answer, Request

UPSTREAM_SECONDS = 20.0
NOT_HANDED_ON = {*OF_THE_CONNECTION, "accept-encoding"}
PROTOCOLS = ["h2", "http/1.1"]


class Proxy:
    """In front of 127.0.0.1:`port`. Connections that are idle for `idle_seconds` are closed."""

    def __init__(self, port: int, manners: Manners, idle_seconds: float | None = None) -> None:
        self._port = port
        self._manners = manners
        self._idle_seconds = idle_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen on 127.0.0.1. With `tls`, HTTP/2 is offered as well."""
        self._api = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}",
            timeout=UPSTREAM_SECONDS,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )
        if tls:
            tls.set_alpn_protocols(PROTOCOLS)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._api.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # In a task of ours: asyncio logs an error if the server's own task is cancelled.
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        try:
            with contextlib.suppress(OSError):
                if tls and tls.selected_alpn_protocol() == "h2":
                    await Connection(reader, writer, self._answer).serve(self._idle_seconds)
                else:
                    await self._converse_in_turn(reader, writer)
        finally:
            writer.close()

    async def _converse_in_turn(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await http1.read(reader, self._idle_seconds):
            request, head = asked
            if request.header("upgrade"):
                return await http1.pipe(reader, writer, self._port, head)
            answer, is_last = await self._answer(request)
            if isinstance(answer, Cut):
                return None
            writer.write(http1.as_bytes(answer, is_last=is_last))
            await writer.drain()
            if is_last:
                return None
        return None

    async def _answer(self, request: Request) -> Answered:
        verdict = self._manners.judge(request)
        answer = await self._ask(request) if verdict.is_made else None
        if verdict.delay:
            await asyncio.sleep(verdict.delay)
        answer = verdict.instead or answer
        return answer or Cut.CONNECTION, verdict.is_last

    async def _ask(self, request: Request) -> Answer | Cut:
        changed = self._manners.change(request)
        headers = [(key, value) for key, value in changed.headers if key not in NOT_HANDED_ON]
        try:
            response = await self._api.request(
                changed.method,
                changed.target,
                content=changed.body or None,
                headers=[*headers, ("accept-encoding", "identity")],
            )
        except httpx.HTTPError:
            return Cut.CONNECTION  # like the API itself when it is down
        told = tuple((key.lower(), value) for key, value in response.headers.multi_items())
        told = tuple((key, value) for key, value in told if key not in OF_THE_CONNECTION)
        return self._manners.change_answer(request, Answer(response.status_code, told, response.content))
