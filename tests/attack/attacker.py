"""A hostile account with ordinary clients and its own token; and what it gets."""

import asyncio
import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.attack.target import Account, Target

PATIENCE = 30.0  # seconds for one request

Send = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@dataclass
class Harvest:
    """What the attackers got: answers by kind of attack, and each line of others' that they saw."""

    answers: dict[str, Counter[str]] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)


class Attacker:
    """One account for `seconds`, and longer on a busy machine: until something was refused, or for `at_most`."""

    def __init__(
        self,
        target: Target,
        account: Account,
        seconds: float,
        at_most: float,
        seed: int,
        harvest: Harvest,
        name: str,
    ) -> None:
        self.target = target
        self.account = account
        self.harvest = harvest
        self.answers = harvest.answers.setdefault(name, Counter())
        self.chance = random.Random(seed)  # noqa: S311
        self._end = time.monotonic() + seconds
        self._last_end = time.monotonic() + at_most

    @property
    def is_over(self) -> bool:
        now = time.monotonic()
        return now > self._last_end or (now > self._end and self._was_refused)

    @property
    def _was_refused(self) -> bool:
        return any(answer == "429 quota_exceeded" or "error" in answer for answer in self.answers)

    def rest_client(self) -> httpx.AsyncClient:
        headers = {
            "apikey": self.target.key,
            "authorization": f"Bearer {self.account.token}",
            "prefer": "return=representation",
        }
        return httpx.AsyncClient(base_url=self.target.api, headers=headers, timeout=PATIENCE)

    def web_client(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.account.token}"}
        return httpx.AsyncClient(base_url=self.target.web, headers=headers, timeout=PATIENCE)

    async def repeat(self, client: httpx.AsyncClient, *sends: Send, pause: float = 0.0) -> None:
        """One of `sends` after the other, again and again."""
        for send in itertools.cycle(sends):
            if self.is_over:
                return
            await self.count(send, client)
            await asyncio.sleep(pause)

    async def count(self, send: Send, client: httpx.AsyncClient) -> httpx.Response | None:
        try:
            answer = await send(client)
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] += 1
            return None
        self.answers[f"{answer.status_code} {_reason(answer)}".strip()] += 1
        return answer

    def look_for_strangers(self, text: str) -> None:
        """Anything that names another's chat or message in an answer to this account is a leak."""
        self.harvest.leaks += [text[:200] for stranger in self.account.strangers if stranger in text]


def _reason(answer: httpx.Response) -> str:
    if not answer.is_error:
        return ""
    with contextlib.suppress(ValueError):
        error = answer.json()
        return str(error.get("hint") or error.get("code") or "") if isinstance(error, dict) else ""
    return ""


def request(method: str, path: str, **more: Any) -> Send:
    return lambda client: client.request(method, path, **more)


def command(name: str, message_id: str) -> Send:
    return request("POST", f"/rpc/{name}", json={"message_id": message_id})


def question_in(session: str, content: str = "Why?", **more: str) -> dict[str, str]:
    return {"id": str(uuid4()), "session_id": session, "role": "user", "content": content, **more}
