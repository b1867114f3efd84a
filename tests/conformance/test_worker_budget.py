"""The worker's deltas at fifty streams, on a project with the default limit: nobody suffers, they get coarser.

Realtime counts by five seconds, and averages over up to a minute of them: the beginning forgives least.
"""

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

from structlog.testing import capture_logs

from tests.support.peer import Peer
from tests.support.realtime_fixtures import Connection, Start
from tests.support.waiting import until
from worker.config import WorkerSettings
from worker.realtime.broadcast import Broadcaster

STREAMS = 50
SECONDS = 11.0  # two counts, and the beginning of a third
PIECE_SECONDS = 0.05  # between two pieces of one stream
PIECE = "some words of text, "


async def stream(broadcaster: Broadcaster, session: str, until_: float) -> str:
    text = ""
    while time.monotonic() < until_:
        broadcaster.send(session, f"question of {session}", 1, len(text), PIECE)
        text += PIECE
        await asyncio.sleep(PIECE_SECONDS)
    return text


def put_together(peer: Peer) -> tuple[str, int]:
    """The text, and how many deltas brought it; each must begin where the one before it ended."""
    text, count = "", 0
    for frame in peer.heard:
        if frame.event == "broadcast" and not frame.is_binary:
            delta = frame.payload["payload"]
            assert delta["offset"] == len(text)
            text += delta["text"]
            count += 1
    return text, count


def messages_of(peer: Peer) -> list[Any]:
    """What came from the database."""
    return [json.loads(frame.payload["metadata"]) for frame in peer.heard if frame.is_binary]


async def test_fifty_streams_stay_within_the_default_limit(
    start: Start, peers: Any, secret_key: str, database: Connection
) -> None:
    stand_in = start(max_events_per_second="100", max_joins_per_second="100")
    settings = WorkerSettings(
        _env_file=None,
        supabase_url=stand_in.url,
        supabase_secret_key=secret_key,
        gemini_api_key="unused",
    )
    sessions = {str(uuid4()): peer for peer in await peers(stand_in, STREAMS, apikey=secret_key)}
    for session, peer in sessions.items():
        await peer.joined(f"realtime:chat:{session}", {"private": True})
    rows = list(sessions)[:10]

    with capture_logs() as logs:
        broadcaster = Broadcaster(settings)
        sending = asyncio.create_task(broadcaster.run())
        ends_at = time.monotonic() + SECONDS
        streams = [asyncio.create_task(stream(broadcaster, session, ends_at)) for session in sessions]
        for session in rows:  # what the triggers say, meanwhile
            database.execute("select realtime.send('{}', 'message', %s)", [f"chat:{session}"])
            await asyncio.sleep(SECONDS / len(rows))
        texts = dict(zip(sessions, await asyncio.gather(*streams), strict=True))
        await until(
            lambda: all(put_together(peer)[0] == texts[session] for session, peer in sessions.items()), "all the text"
        )
        await until(lambda: all(len(messages_of(sessions[row])) == 1 for row in rows), "what the triggers say")
        sending.cancel()
        await broadcaster.close()

    assert logs == []  # no delta was refused
    pieces = SECONDS / PIECE_SECONDS
    for session, peer in sessions.items():
        assert {frame.event for frame in peer.heard} == {"broadcast"}  # no channel was closed
        assert put_together(peer)[1] < pieces / 4
        assert len(messages_of(peer)) == (session in rows)
