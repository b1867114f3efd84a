"""Deletes stored broadcasts of deleted chats and messages from realtime.messages, which keeps them for days."""

from worker.database.replies import Replies
from worker.telemetry import metrics


class Eraser:
    """Call `step` repeatedly. Each worker does it for the whole project, and skips rows that another has locked."""

    SECONDS = 30.0

    def __init__(self, replies: Replies) -> None:
        self._replies = replies

    async def step(self) -> None:
        """Erase until nothing is left, or all that is left is locked. Raises DatabaseError."""
        erased = left = 1
        while erased and left:
            erased, left = await self._replies.erase_broadcasts()
            metrics.ERASURES_WAITING.set(left)
