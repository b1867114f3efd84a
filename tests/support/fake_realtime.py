"""A scripted Realtime server."""

import json
import time
from typing import Any

from websockets.asyncio.server import ServerConnection

from worker.config import WorkerSettings

TOPIC = "realtime:chat:worker"


class Realtime:
    """Answers joins and heartbeats, unless told not to, and says what it is told to say."""

    def __init__(self) -> None:
        self.answers_heartbeats = True
        self.says_that_it_reads = True
        self.refuses_joins = False
        self.joins: list[dict[str, Any]] = []
        self.connected_at: list[float] = []
        self.heartbeats = 0
        self.sockets: set[ServerConnection] = set()
        self.port = 0

    async def handle(self, socket: ServerConnection) -> None:
        self.connected_at.append(time.monotonic())
        self.sockets.add(socket)
        try:
            async for frame in socket:
                await self._take(socket, json.loads(frame))
        finally:
            self.sockets.discard(socket)

    async def _take(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        reply = {"topic": message["topic"], "event": "phx_reply", "ref": message["ref"]}
        if message["event"] == "heartbeat":
            self.heartbeats += 1
            if self.answers_heartbeats:
                await send(socket, **reply, payload={"status": "ok", "response": {}})
        if message["event"] == "phx_join":
            self.joins.append(message["payload"])
            status = "error" if self.refuses_joins else "ok"
            await send(socket, **reply, payload={"status": status, "response": {}})
            if self.says_that_it_reads and not self.refuses_joins:
                await self.say_that_it_reads()

    async def say_that_it_reads(self) -> None:
        words = "Replication connection established"
        await self.push("system", channel="chat:worker", extension="system", message=words, status="ok")

    async def push(self, event: str, /, **payload: Any) -> None:
        for socket in self.sockets:
            await send(socket, topic=TOPIC, event=event, payload=payload, ref=None)

    async def wake_up(self) -> None:
        await self.push("broadcast", event="wake_up", type="broadcast", payload={})


async def send(socket: ServerConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


def settings_of(port: int = 1) -> WorkerSettings:
    return WorkerSettings(
        _env_file=None, supabase_url=f"http://127.0.0.1:{port}", supabase_secret_key="unused", gemini_api_key="unused"
    )
