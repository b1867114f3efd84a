"""One raw WebSocket to Realtime: for what no client library would ever send, and to see every frame."""

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import websockets
from websockets.asyncio.client import ClientConnection, connect

PATIENCE = 15.0  # seconds
ANY = object()


@dataclass(frozen=True)
class Frame:
    """`payload` of a binary frame (kind 4) is a dict with event, payload (bytes), metadata and encoding."""

    topic: str
    event: str
    payload: Any
    ref: Any = None
    join_ref: Any = None
    is_binary: bool = False


class Peer:
    """`heard` holds the frames that no test has asked for yet."""

    def __init__(self, url: str, version: str = "2.0.0") -> None:
        self.version = version
        self.heard: list[Frame] = []
        self.close_code: int | None = None
        self._url = url
        self._refs = itertools.count(1)
        self._join_refs: dict[str, str] = {}
        self._news = asyncio.Event()
        self._socket: ClientConnection
        self._reader: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._socket = await connect(self._url, compression=None, max_size=None, proxy=None)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()
        await self._reader

    async def send_raw(self, frame: str | bytes) -> None:
        await self._socket.send(frame)

    def announce(self, size: int) -> None:
        """The head of a text frame of so many bytes, and nothing of the frame."""
        self._socket.transport.write(b"\x81\xff" + size.to_bytes(8, "big") + bytes(4))

    async def push(self, topic: str, event: str, payload: Any, *, ref: Any = ANY, join_ref: Any = ANY) -> str:
        """Answers the ref."""
        ref = str(next(self._refs)) if ref is ANY else ref
        join_ref = self._join_refs.get(topic) if join_ref is ANY else join_ref
        if self.version == "1.0.0":
            frame: Any = {"topic": topic, "event": event, "payload": payload, "ref": ref}
        else:
            frame = [join_ref, ref, topic, event, payload]
        await self.send_raw(json.dumps(frame))
        return ref

    async def join(self, topic: str, config: Any = None, token: str | None = None, **more: Any) -> dict[str, Any]:
        """The payload of the reply."""
        ref = str(next(self._refs))
        self._join_refs[topic] = ref
        payload = {"config": config or {}, **({"access_token": token} if token else {}), **more}
        await self.push(topic, "phx_join", payload, ref=ref, join_ref=ref)
        return (await self.next("phx_reply", topic, ref=ref)).payload

    async def joined(self, topic: str, config: Any = None, token: str | None = None) -> dict[str, Any]:
        """The response to a join that succeeds."""
        reply = await self.join(topic, config, token)
        assert reply["status"] == "ok", reply
        return reply["response"]

    async def subscribed(
        self, topic: str, *bindings: dict[str, Any], token: str | None = None, **config: Any
    ) -> list[int]:
        """Row changes flow from now on; answers the ids of the bindings."""
        response = await self.joined(topic, {"postgres_changes": list(bindings), **config}, token)
        said = await self.next("system", topic)
        assert said.payload["message"] == "Subscribed to PostgreSQL", said
        return [binding["id"] for binding in response["postgres_changes"]]

    async def broadcast(self, topic: str, event: str, payload: Any) -> str:
        return await self.push(topic, "broadcast", {"type": "broadcast", "event": event, "payload": payload})

    async def ask(self, topic: str, event: str, payload: Any) -> dict[str, Any]:
        """The payload of the reply."""
        ref = await self.push(topic, event, payload)
        return (await self.next("phx_reply", topic, ref=ref)).payload

    async def change(self) -> dict[str, Any]:
        """The data of the next row change."""
        data: dict[str, Any] = (await self.next("postgres_changes")).payload["data"]
        return data

    async def next(self, event: str, topic: str | None = None, *, ref: Any = ANY, seconds: float = PATIENCE) -> Frame:
        """The first frame that fits, taken out of `heard`."""

        def fits(frame: Frame) -> bool:
            return frame.event == event and topic in (None, frame.topic) and (ref is ANY or frame.ref == ref)

        return await self.first(fits, f"{event} on {topic}", seconds)

    async def first(self, fits: Callable[[Frame], bool], what: str = "a frame", seconds: float = PATIENCE) -> Frame:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self._news.clear()
                    for frame in self.heard:
                        if fits(frame):
                            self.heard.remove(frame)
                            return frame
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}; heard {self.heard}") from None

    async def settled(self, topic: str = "") -> list[Frame]:
        """All that was sent to this peer until now: the answer to a heartbeat comes after it.

        A channel that waits for the database does not hold up a heartbeat. With its topic, what it was sent
        is handled, too: it answers a presence event that there is none of (one of its five in half a minute).
        """
        if topic:
            await self.ask(topic, "presence", {"event": "none"})
        ref = await self.push("phoenix", "heartbeat", {}, join_ref=None)
        await self.next("phx_reply", "phoenix", ref=ref)
        return self.heard

    async def closed(self) -> int | None:
        """The code that the server closed the socket with."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(self._reader)
        return self.close_code

    def hear(self, frame: Frame) -> None:
        self.heard.append(frame)
        self._news.set()

    async def _read(self) -> None:
        try:
            while True:
                self.hear(self._decode(await self._socket.recv()))
        except websockets.ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else 1006

    def _decode(self, data: str | bytes) -> Frame:
        if isinstance(data, bytes):
            return _kind_4(data)
        frame = json.loads(data)
        if self.version == "1.0.0":
            assert frame.keys() == {"topic", "event", "payload", "ref"}, frame
            return Frame(**frame)
        join_ref, ref, topic, event, payload = frame
        return Frame(topic, event, payload, ref, join_ref)


def _kind_4(data: bytes) -> Frame:
    kind, *sizes, encoding = data[:5]
    assert kind == 4, data
    names, rest = [], data[5:]
    for size in sizes:
        names.append(rest[:size].decode())
        rest = rest[size:]
    topic, event, metadata = names
    payload = {"event": event, "payload": rest, "metadata": metadata, "encoding": encoding}
    return Frame(topic, "broadcast", payload, is_binary=True)


def name(topic: str) -> str:
    """The topic as SQL and REST know it."""
    return topic.removeprefix("realtime:")


def on(table: str, event: str = "*", **more: Any) -> dict[str, Any]:
    """A binding to the changes of a table in public."""
    return {"event": event, "schema": "public", "table": table, **more}


def kind_3(topic: str, event: str, payload: bytes, *, encoding: int = 1, refs: tuple[str, str] = ("1", "2")) -> bytes:
    """A user broadcast as realtime-js sends it."""
    names = [text.encode() for text in (*refs, topic, event, "")]
    return bytes([3, *map(len, names), encoding]) + b"".join(names) + payload


def socket_url(base: str, **query: str) -> str:
    return f"{base.replace('http', 'ws', 1)}/realtime/v1/websocket?{urlencode(query)}"
