"""The texts so far, saved in pieces: for who comes late, and for who stops what a dead worker held."""

import time
from collections.abc import Callable

from worker.claim import Claim
from worker.database.replies import Replies

PIECE_CHARACTERS = 500
PIECE_SECONDS = 3.0


class DraftSaver:
    """`step` is to be repeated: it saves what has grown by a piece, or was not saved for some seconds."""

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
