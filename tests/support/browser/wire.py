"""The page's WebSocket to Realtime: what comes over it, and a hand on it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page, WebSocket, WebSocketRoute

REALTIME = re.compile("/realtime/v1/websocket")
BROADCAST = 4  # the kind of a binary frame


@dataclass(frozen=True)
class Frame:
    """One frame from the server. `event` of a broadcast is the broadcast's own."""

    raw: str | bytes
    topic: str
    event: str
    payload: dict[str, Any]


def read_frame(raw: str | bytes) -> Frame:
    if isinstance(raw, bytes):
        assert raw[0] == BROADCAST, "the server sends no other binary frames"
        sizes, rest = raw[1:4], raw[5:]
        names = []
        for size in sizes:
            names.append(rest[:size].decode())
            rest = rest[size:]
        return Frame(raw, names[0], names[1], json.loads(rest))
    _, _, topic, event, payload = json.loads(raw)
    if event == "broadcast":
        event, payload = payload["event"], payload["payload"]
    return Frame(raw, topic, event, payload)


class Ear:
    """Hears all frames of a page's sockets, from now on."""

    def __init__(self, page: Page) -> None:
        self.frames: list[Frame] = []
        page.on("websocket", self._watch)

    def count(self, event: str) -> int:
        return sum(frame.event == event for frame in self.frames)

    def joins(self) -> int:
        """How often a chat's channel was joined."""
        return sum(
            frame.event == "phx_reply" and frame.topic.startswith("realtime:chat:") and "postgres_changes" in response
            for frame in self.frames
            if isinstance(response := frame.payload.get("response"), dict)
        )

    def told(self, words: str) -> bool:
        """Whether the server gave this reason on a channel."""
        return any(words in str(frame.payload.get("message")) for frame in self.frames if frame.event == "system")

    def _watch(self, socket: WebSocket) -> None:
        if REALTIME.search(socket.url):
            socket.on("framereceived", lambda raw: self.frames.append(read_frame(raw)))


Change = Callable[[Frame], list[Frame]]


class Wire:
    """Lies between the page and Realtime. `change` says what becomes of each frame of the server's.

    `heard`: the frames that reached the page.
    """

    def __init__(self) -> None:
        self.change: Change = lambda frame: [frame]
        self._socket: WebSocketRoute | None = None
        self.heard: list[Frame] = []

    async def lay(self, page: Page) -> "Wire":
        """Before the page opens its socket."""
        await page.route_web_socket(REALTIME, self._connect)
        return self

    def repeat(self, event: str) -> None:
        """The last of these comes again."""
        self._say(next(frame.raw for frame in reversed(self.heard) if frame.event == event))

    def close_channel(self, topic: str) -> None:
        """As the server does when a token has run out: the socket stays open."""
        joined = next(frame for frame in reversed(self.heard) if (frame.topic, frame.event) == (topic, "phx_reply"))
        join_ref = json.loads(joined.raw)[0]
        self._say(json.dumps([join_ref, join_ref, topic, "phx_close", {}]))

    def _say(self, raw: str | bytes) -> None:
        assert self._socket, "the page has opened no socket"
        self._socket.send(raw)

    def _connect(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        server = socket.connect_to_server()

        def pass_on(raw: str | bytes) -> None:
            for frame in self.change(read_frame(raw)):
                self.heard.append(frame)
                socket.send(frame.raw)

        server.on_message(pass_on)
