"""The socket to Realtime goes to the address that an operator has set, and nowhere else."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection, serve

from worker.check import public_channels
from worker.realtime.subscription import listen

KEY = "sb_secret_abcdefghijklmnopqrstuvwxyz"


class Deaf:
    """A listener for whom nothing ever happens."""

    def joined(self) -> None: ...

    def refused(self, code: str) -> None: ...

    def flow(self) -> None: ...

    def hear(self) -> None: ...


async def subscribe(url: str) -> None:
    await listen(f"{url}/realtime/v1", KEY, Deaf(), asyncio.Event())


async def check(url: str) -> None:
    finding = await public_channels.ask(url, KEY, is_local=False)
    assert finding.level == "skipped"
    raise ConnectionError(finding.words)


@pytest.mark.parametrize("connect", [subscribe, check])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_it_follows_no_redirect(connect: Callable[[str], Awaitable[None]], status: int) -> None:
    at_the_other_host: list[str] = []

    async def hear(connection: ServerConnection) -> None:
        at_the_other_host.append(str(connection.request))
        async for message in connection:
            at_the_other_host.append(str(message))

    async with serve(hear, "127.0.0.1", 0) as elsewhere:
        port = next(iter(elsewhere.sockets)).getsockname()[1]

        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            location = f"ws://127.0.0.1:{port}/realtime/v1/websocket"
            writer.write(f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(redirect, "127.0.0.1", 0) as asked:
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the library makes of it
                async with asyncio.timeout(5):
                    await connect(f"http://127.0.0.1:{next(iter(asked.sockets)).getsockname()[1]}")

    assert at_the_other_host == []
