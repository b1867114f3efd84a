"""Whose a request is, before the project has answered it: so that what one account asks at a time can be counted."""

import hashlib
import threading

from worker.credentials import claims_of

MOST_TOKENS = 10_000
"""That are remembered, of the newest."""


class Accounts:
    """A token that the project has accepted once is its user's. Any other is an account of its own: a token
    that was made up may name any user, and would use up that user's share."""

    def __init__(self) -> None:
        self._user_ids: dict[str, str] = {}
        self._lock = threading.Lock()

    def of(self, token: str) -> str:
        digest = _digest(token)
        return self._user_ids.get(digest, digest)

    def accept(self, token: str) -> None:
        """The project has answered this token, and so has verified it."""
        digest, user_id = _digest(token), (claims_of(token) or {}).get("sub")
        if not isinstance(user_id, str):
            return
        with self._lock:
            self._user_ids[digest] = user_id
            if len(self._user_ids) > MOST_TOKENS:
                del self._user_ids[next(iter(self._user_ids))]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
