"""Saves the texts so far as drafts, for pages that open later, and for replies that are stopped when their worker is
dead."""

import time
from collections.abc import Callable

from worker.claim import Claim
from worker.database.replies import Replies

PIECE_CHARACTERS = 500
PIECE_SECONDS = 3.0


class DraftSaver:
    """Call `step` repeatedly: it saves texts with PIECE_CHARACTERS new characters, or unsaved for PIECE_SECONDS."""

    def __init__(self, replies: Replies, held: Callable[[], list[Claim]]) -> None:
        self._replies = replies
        self._held = held

    async def step(self) -> None:
        """Raises DatabaseError."""
        now = time.monotonic()
        grown = [claim for claim in self._held() if not claim.settling and _is_due(claim, now)]
        if grown:
            await self._replies.save_drafts(grown)


def _is_due(claim: Claim, now: float) -> bool:
    unsaved = len(claim.text) - claim.saved
    return unsaved >= PIECE_CHARACTERS or (unsaved > 0 and now - claim.saved_at >= PIECE_SECONDS)
