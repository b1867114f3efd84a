"""Between the workers and the API: it hands everything on, and refuses or loses calls of functions when told to.

Sockets pass as they are. A call that is refused may have been made all the same: only its answer is lost then.
"""

import asyncio
import contextlib
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

FUNCTIONS = "/rest/v1/rpc/"
CLAIM = f"{FUNCTIONS}claim_replies"
UPSTREAM_SECONDS = 20.0
# Of one hop, or of a form in which the body is not handed on.
OF_THE_CONNECTION = {
    b"connection", b"keep-alive", b"transfer-encoding", b"content-encoding", b"content-length", b"date"
}  # fmt: skip


@dataclass(frozen=True)
class Refusal:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, code: str, message: str, **headers: str) -> "Refusal":
        body = json.dumps({"code": code, "message": message, "details": None, "hint": None}).encode()
        return cls(status, body, {"content-type": "application/json; charset=utf-8", **headers})


# In the words of PostgREST, and of a gateway before it. All of these pass by themselves.
REFUSALS = [
    Refusal.of(503, "PGRST000", "Database connection error. Retrying the connection."),
    Refusal.of(503, "PGRST001", "Database client error. Retrying the connection."),
    Refusal.of(503, "PGRST002", "Could not query the database for the schema cache. Retrying."),
    Refusal.of(504, "PGRST003", "Timed out acquiring connection from connection pool."),
    Refusal.of(401, "PGRST303", "JWT expired", **{"www-authenticate": 'Bearer error="invalid_token"'}),
    Refusal.of(500, "57014", "canceling statement due to statement timeout"),
    Refusal.of(500, "40001", "could not serialize access due to concurrent update"),
    Refusal.of(500, "55P03", "canceling statement due to lock timeout"),
    Refusal(
        429,
        b"<html><head><title>429 Too Many Requests</title></head><body>Too Many Requests</body></html>",
        {"content-type": "text/html", "retry-after": "1"},
    ),
]


@dataclass
class Head:
    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    raw: bytes

    def get(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key.lower() == name), b"")


class Gateway:
    """Told from any thread; it answers in its own."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._port = port
        self._chance = chance
        self._share = 0.0
        self._claims_to_lose = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        self.refused = 0
        """How many calls, so far."""
        self.lost = 0
        """How many claims that had brought something, so far."""

    def refuse(self, share: float) -> None:
        """From now on this share of the calls is refused, every other one of them after it was made."""
        self._share = share

    def lose_claims(self, number: int) -> None:
        """The answers of the next claims that bring something are lost."""
        self._claims_to_lose = number

    async def start(self) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}",
            timeout=UPSTREAM_SECONDS,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await self._converse(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = _read_head(await reader.readuntil(b"\r\n\r\n"))
            if head.get(b"upgrade"):
                return await self._pipe(head, reader, writer)
            body = await reader.readexactly(int(head.get(b"content-length") or 0))
            answer = await self._answer(head, body)
            if answer is None:
                return None
            writer.write(answer)
            await writer.drain()

    async def _answer(self, head: Head, body: bytes) -> bytes | None:
        """None: the connection ends without one."""
        refusal, comes_late = self._draw(head.path)
        if refusal and not comes_late:
            return _as_bytes(refusal.status, list(refusal.headers.items()), refusal.body)
        try:
            response = await self._client.request(
                head.method,
                head.path,
                content=body,
                headers=[
                    *((key, value) for key, value in head.headers if key.lower() != b"accept-encoding"),
                    (b"accept-encoding", b"identity"),
                ],
            )
        except httpx.HTTPError:
            return None  # as the API itself, when it is gone
        if refusal:
            return _as_bytes(refusal.status, list(refusal.headers.items()), refusal.body)
        if self._claims_to_lose and head.path == CLAIM and response.is_success and response.json()["replies"]:
            self._claims_to_lose -= 1
            self.lost += 1
            return None
        told = [(k.decode(), v.decode()) for k, v in response.headers.raw if k.lower() not in OF_THE_CONNECTION]
        return _as_bytes(response.status_code, told, response.content)

    def _draw(self, path: str) -> tuple[Refusal | None, bool]:
        if not path.startswith(FUNCTIONS) or self._chance.random() >= self._share:
            return None, False
        self.refused += 1
        # One after the other, and each in both manners: a few seconds see them all.
        kind, manner = self.refused % len(REFUSALS), self.refused // len(REFUSALS)
        return REFUSALS[kind], (kind + manner) % 2 == 0

    async def _pipe(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            down.write(head.raw)
            ways = [asyncio.create_task(_copy(reader, down)), asyncio.create_task(_copy(up, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            down.close()


@contextmanager
def gateway(port: int, seed: int) -> Iterator[Gateway]:
    """Before 127.0.0.1:`port`, in a thread of its own."""
    made = Gateway(port, random.Random(seed))  # noqa: S311
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gateway", daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(made.start(), loop).result()
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(made.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()


def _read_head(raw: bytes) -> Head:
    first, *lines = raw.split(b"\r\n")
    method, path, _ = first.decode().split(" ", 2)
    headers = [(key.strip(), value.strip()) for key, _, value in (line.partition(b":") for line in lines if line)]
    return Head(method, path, headers, raw)


def _as_bytes(status: int, headers: list[tuple[str, str]], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} {httpx.codes.get_reason_phrase(status)}", *(f"{k}: {v}" for k, v in headers)]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode("latin-1") + body
