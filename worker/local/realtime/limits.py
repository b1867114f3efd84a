"""The limits of a project, which all its sockets share."""

import time
from collections import deque
from collections.abc import Callable

from worker.local.realtime.settings import Settings

TICKS = 12  # in the window of an average
SLACK = 500  # bytes that the server allows in addition to the limit of a payload


class Rate:
    """Events per second, averaged over the last ticks. Updated at the end of a tick, so a short burst is allowed."""

    def __init__(self, limit: int, tick: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`tick` in seconds."""
        self.limit = limit
        self._tick = tick
        self._clock = clock
        self._started_at = clock()
        self._count = 0
        self._buckets = deque([0], TICKS)
        self._exceeded = False

    def add(self, count: int = 1) -> None:
        self._advance()
        self._count += count

    @property
    def average(self) -> float:
        self._advance()
        return sum(self._buckets) / len(self._buckets) / self._tick

    @property
    def exceeded(self) -> bool:
        return self.average >= self.limit

    def _advance(self) -> None:
        over = int((self._clock() - self._started_at) / self._tick)
        if over:
            self._started_at += over * self._tick
            self._buckets.append(self._count)
            self._buckets.extend([0] * min(over - 1, TICKS))
            self._count = 0


class TooMany(Exception):
    """The message is sent to the REST client."""


class Limits:
    def __init__(self, settings: Settings) -> None:
        tick = settings.rate_tick_ms / 1000
        self.events = Rate(settings.max_events_per_second, tick)
        self.row_changes = Rate(settings.max_events_per_second, tick)
        self.presence_events = Rate(settings.max_presence_events_per_second, tick)
        self.requests = Rate(settings.max_events_per_second, tick)
        self.joins = Rate(settings.max_joins_per_second, tick)
        self.channels_per_client = settings.max_channels_per_client
        self._users: set[object] = set()
        self._most_users = settings.max_concurrent_users
        self._largest_payload = settings.max_payload_size_kb * 1000 + SLACK

    def check_one(self) -> None:
        """Raises TooMany if no further message from REST or the database may be sent."""
        if self.events.exceeded:
            raise TooMany("You have exceeded your rate limit")

    def check_batch(self, messages: int) -> None:
        """Raises TooMany if REST may not send so many messages at once."""
        if self.events.average > self.events.limit:
            raise TooMany("You have exceeded your rate limit")
        if messages + self.events.average > self.events.limit:
            raise TooMany("Too many messages to broadcast, please reduce the batch size")

    def fits(self, payload: str | bytes) -> bool:
        """Whether the payload, JSON text or bytes, is within the limit (2.129.8, lib/realtime/tenants.ex)."""
        size = len(payload) if isinstance(payload, bytes) else len(payload.encode())
        return size <= self._largest_payload

    def has_room_for(self, user: object) -> bool:
        """Whether the socket may join: a socket counts as a user after its first join."""
        return user in self._users or len(self._users) < self._most_users

    def add_user(self, user: object) -> None:
        self._users.add(user)

    @property
    def has_users(self) -> bool:
        return bool(self._users)

    def remove_user(self, user: object) -> None:
        self._users.discard(user)
