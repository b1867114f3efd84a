"""Maps access tokens to accounts before the project has verified them, to limit requests for each account."""

import hashlib
import threading

from worker.credentials import claims_of

MOST_TOKENS = 10_000
"""Accepted tokens that are remembered; the oldest are dropped first."""


class Accounts:
    """A token that the project has accepted counts for its user. Any other token counts as an account of its own: a
    forged one may name any user, and must not use up that user's share."""

    def __init__(self) -> None:
        self._user_ids: dict[str, str] = {}
        self._lock = threading.Lock()

    def of(self, token: str) -> str:
        """The user's id, or a hash of a token that was not accepted yet."""
        digest = _digest(token)
        return self._user_ids.get(digest, digest)

    def accept(self, token: str) -> None:
        """Remember a token that the project has verified."""
        digest, user_id = _digest(token), (claims_of(token) or {}).get("sub")
        if not isinstance(user_id, str):
            return
        with self._lock:
            self._user_ids[digest] = user_id
            if len(self._user_ids) > MOST_TOKENS:
                del self._user_ids[next(iter(self._user_ids))]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
