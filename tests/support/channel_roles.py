"""One connection to Realtime for each role."""

import asyncio

import httpx
from realtime import AsyncRealtimeClient, RealtimeSubscribeStates
from realtime.types import RealtimeChannelOptions

from tests.support.people import User
from worker.local.stack import Stack

PRIVATE: RealtimeChannelOptions = {"config": {"private": True, "broadcast": None, "presence": None}}


class Role:
    """One role's connection to Realtime."""

    def __init__(self, stack: Stack, key: str, user: User | None = None) -> None:
        self.user = user
        self._url = f"{stack.environment['SUPABASE_URL']}/realtime/v1"
        self._key = key
        self._token = user.token if user else None
        self.client = AsyncRealtimeClient(self._url, token=key, auto_reconnect=False)

    async def connect(self) -> None:
        await self.client.connect()
        if self._token:
            await self.client.set_auth(self._token)

    async def can_join(self, topic: str) -> bool:
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def on_state(state: RealtimeSubscribeStates, _: Exception | None) -> None:
            if not outcome.done():
                outcome.set_result(state == RealtimeSubscribeStates.SUBSCRIBED)

        channel = self.client.channel(topic, PRIVATE)
        subscribing = asyncio.create_task(channel.subscribe(on_state))
        try:
            return await asyncio.wait_for(outcome, 15)
        finally:
            subscribing.cancel()
            await asyncio.gather(subscribing, return_exceptions=True)
            await self.client.remove_channel(channel)

    async def send(self, topic: str, word: str) -> None:
        """Over both REST endpoints; the second says whether it was allowed, and neither is asked."""
        headers = {"apikey": self._key, "authorization": f"Bearer {self._token or self._key}"}
        async with httpx.AsyncClient(headers=headers) as http:
            message = {"topic": topic, "event": "word", "payload": {"word": word}, "private": True}
            sent = await http.post(f"{self._url}/api/broadcast", json={"messages": [message]})
            assert sent.status_code == 202
            one = f"{self._url}/api/broadcast/{topic}/events/word?private=true"
            assert (await http.post(one, json={"word": word})).status_code in (202, 403)
