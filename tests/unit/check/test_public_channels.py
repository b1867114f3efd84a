"""Whether public channels are allowed is tried: one is joined, at a small Realtime of the test's own."""

import json
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from worker.check import public_channels

KEY = "sb_secret_abcdefghijklmnopqrstuvwxyz"
PRIVATE_ONLY = {"reason": "PrivateOnly: This project only allows private channels"}
OK, HANGS_UP = {"status": "ok", "response": {}}, None

Reply = dict[str, Any] | None


class Realtime:
    """Answers each join with `reply`, or hangs up."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.joins: list[dict[str, Any]] = []

    async def handle(self, socket: ServerConnection) -> None:
        async for frame in socket:
            message = json.loads(frame)
            if message["event"] != "phx_join":
                continue
            self.joins.append(message)
            if self._reply is None:
                await socket.close()
                return
            about = {"topic": message["topic"], "ref": message["ref"], "event": "phx_reply"}
            await socket.send(json.dumps({**about, "payload": self._reply}))


@pytest.mark.parametrize(
    ("reply", "is_local", "level", "words"),
    [
        pytest.param(OK, False, "warning", "Public channels are allowed.", id="it is joined"),
        pytest.param(OK, True, "ok", "Public channels are allowed.", id="it is joined, at a local project"),
        pytest.param(
            {"status": "error", "response": PRIVATE_ONLY},
            False,
            "ok",
            "Only private channels are allowed.",
            id="only private ones are allowed",
        ),
        pytest.param(
            {"status": "error", "response": {"reason": "TenantNotFound: Tenant not found"}},
            False,
            "skipped",
            "could not be tried (TenantNotFound).",
            id="it is refused for another reason",
        ),
        pytest.param(HANGS_UP, False, "skipped", "could not be tried (no answer).", id="nobody answers"),
    ],
)
async def test_the_answer_to_a_join_decides(reply: Reply, is_local: bool, level: str, words: str) -> None:
    realtime = Realtime(reply)
    async with serve(realtime.handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        finding = await public_channels.ask(f"http://127.0.0.1:{port}", KEY, is_local)

    [join] = realtime.joins
    assert join["topic"] == f"realtime:{public_channels.TOPIC}"
    assert join["payload"]["config"]["private"] is False
    assert finding.level == level
    assert words in finding.words
