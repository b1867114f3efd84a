"""Whether the project allows public channels to everybody with its publishable key: tries to join one."""

import asyncio
import contextlib

from realtime import AsyncRealtimeClient, RealtimeSubscribeStates
from realtime.types import RealtimeChannelOptions

from worker.check.findings import Finding
from worker.realtime.subscription import code_of

SECONDS = 20.0
"""Realtime waits five seconds before it refuses a join."""
TOPIC = "postbro-check"


async def ask(url: str, key: str, is_local: bool) -> Finding:
    try:
        async with asyncio.timeout(SECONDS):
            code = await _join(f"{url.rstrip('/')}/realtime/v1", key)
    except Exception as error:  # the client raises many kinds of errors while it connects
        code = type(error).__name__
    return judge(code, is_local)


def judge(code: str | None, is_local: bool) -> Finding:
    """`code`: Realtime's code for the refusal of the join; None if it was accepted."""
    if code == "PrivateOnly":
        return Finding("ok", "channels", "Only private channels are allowed.")
    if code is not None:
        words = f"Whether public channels are allowed could not be tried ({code or 'no answer'})."
        return Finding("skipped", "channels", words)
    words = (
        "Public channels are allowed. None of ours is public; but whoever has the publishable key, as every visitor "
        "of the page has, can use up the project's Realtime messages there."
    )
    if is_local:
        return Finding("ok", "channels", words)
    remedy = "Unless something else needs them, switch “Allow public access” off in the project's Realtime settings."
    return Finding("warning", "channels", words, remedy)


async def _join(url: str, key: str) -> str | None:
    client = AsyncRealtimeClient(url, token=key, auto_reconnect=False, max_retries=1)
    options: RealtimeChannelOptions = {
        "config": {"private": False, "broadcast": None, "presence": {"key": "", "enabled": False}}
    }
    outcome: list[str | None] = []

    def on_state(state: RealtimeSubscribeStates, error: Exception | None) -> None:
        outcome.append(None if state == RealtimeSubscribeStates.SUBSCRIBED else code_of(error))

    try:
        await client.connect()
        await client.channel(TOPIC, options).subscribe(on_state)
        return outcome[0] if outcome else ""
    finally:
        with contextlib.suppress(Exception):
            await client.close()
