"""What was sent of deleted chats and messages, taken out of Realtime's own table, where it would lie for days."""

from worker.database.replies import Replies
from worker.telemetry import metrics


class Eraser:
    """`step` is to be repeated. Any worker does it for the whole project; what one is at, the others pass by."""

    SECONDS = 30.0

    def __init__(self, replies: Replies) -> None:
        self._replies = replies

    async def step(self) -> None:
        """Until nothing is left. Raises DatabaseError."""
        erased = left = 1
        while erased and left:
            erased, left = await self._replies.erase_broadcasts()
            metrics.ERASURES_WAITING.set(left)
