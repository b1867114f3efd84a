"""Another Realtime process, with settings of its own, on the Postgres of the one that all tests share."""

import socket
from pathlib import Path
from typing import Any

import httpx

from tests.support.peer import Peer, socket_url
from worker.local.processes import Service, http_ready, python_module
from worker.local.stack import Stack


class StandIn:
    """Another Realtime process."""

    def __init__(self, stack: Stack, log: Path, settings: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._key = stack.environment["SUPABASE_PUBLISHABLE_KEY"]
        self.service = Service(
            "Realtime",
            python_module("worker.local.realtime", "--port", str(port)),
            log=log,
            ready=http_ready(port, "/realtime/v1/health"),
            environment={
                **stack.environment,
                "REALTIME_DATABASE_URL": stack.postgres.url("realtime_login"),
                **settings,
            },
        )

    @property
    def address(self) -> str:
        return self._address(self._key)

    def peer(self, apikey: str = "") -> Peer:
        return Peer(self._address(apikey or self._key))

    def _address(self, apikey: str) -> str:
        return socket_url(self.url, apikey=apikey, vsn="2.0.0")

    def send(self, *messages: dict[str, Any]) -> httpx.Response:
        headers = {"apikey": self._key}
        return httpx.post(f"{self.url}/realtime/v1/api/broadcast", headers=headers, json={"messages": list(messages)})

    def send_one(self, topic: str, event: str, payload: Any, **query: str) -> httpx.Response:
        url = f"{self.url}/realtime/v1/api/broadcast/{topic}/events/{event}"
        return httpx.post(url, headers={"apikey": self._key}, json=payload, params=query)
