"""A channel's `presence` events: track and untrack, with their limits."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from worker.local.realtime import json_text
from worker.local.realtime.access import Access
from worker.local.realtime.authorization import PRESENCE, Unanswered
from worker.local.realtime.database import DatabaseAway
from worker.local.realtime.limits import Limits
from worker.local.realtime.settings import Settings


class Refused(Exception):
    """The client gets an error with this reason, or without one."""

    @property
    def response(self) -> dict[str, str]:
        return {"reason": str(self)} if self.args else {}


class Misused(Exception):
    """The channel is closed with this message."""


class Crashed(Exception):
    """The real server's channel crashes on this input; the client rejoins."""


class CallLimit:
    """A limit of calls in each time window of a channel."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.client_presence_max_calls
        self._window = settings.client_presence_window_ms / 1000
        self._ends_at = 0.0
        self._count = 0

    def count(self) -> None:
        """Raises Misused."""
        now = time.monotonic()
        if now > self._ends_at:
            self._ends_at, self._count = now + self._window, 0
        if self._count >= self._most:
            raise Misused("Client presence rate limit exceeded")
        self._count += 1


def check_rate(limits: Limits) -> None:
    """Raises Misused."""
    if limits.presence_events.exceeded:
        raise Misused("Too many presence messages per second")
    limits.presence_events.add()


class Tracked(Protocol):
    """The part of a channel that Tracking uses."""

    access: Access

    @property
    def limits(self) -> Limits: ...

    def track(self, fields: Mapping[str, Any]) -> None: ...

    def untrack(self) -> None: ...


class Tracking:
    """Handles the `presence` events of one channel."""

    def __init__(self, channel: Tracked, settings: Settings) -> None:
        self._channel = channel
        self._calls = CallLimit(settings)
        self._last: Any = None

    async def handle(self, payload: Any) -> None:
        """Handle one event. Raises Refused, Misused or Crashed."""
        event = payload.get("event") if isinstance(payload, dict) else None
        if event is None:
            return
        if not isinstance(event, str):
            raise Crashed
        self._calls.count()
        match event.lower():
            case "track":
                await self._track(payload.get("payload", {}))
            case "untrack":
                self._last = None
                self._channel.untrack()
            case _:
                raise Refused

    async def _track(self, fields: Any) -> None:
        channel = self._channel
        try:
            await channel.access.ask_about_presence()
            if not await channel.access.may_write(PRESENCE):
                raise Refused
        except (DatabaseAway, Unanswered) as error:
            raise Refused from error
        if not isinstance(fields, dict):
            raise Refused("Presence track payload must be a map")
        if fields == self._last:
            return
        if not channel.limits.fits(json_text.dumps(fields)):
            raise Misused("Track message size exceeded")
        check_rate(channel.limits)
        channel.track(fields)
        self._last = fields
