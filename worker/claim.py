"""A reply that this worker holds, and how far its answer is."""

import asyncio
import time
from dataclasses import dataclass, field

from worker.rows import Call, Reply


@dataclass(eq=False)
class Claim:
    """A reply that this worker holds."""

    reply: Reply
    worker_id: str
    attempt: int
    calls_left: int
    text: str = field(default="", repr=False)
    """What has been streamed in this attempt."""
    length: int = 0
    """Of the text, in UTF-16 code units."""
    model: str | None = None
    """The model that is asked in this attempt."""
    is_in_ledger: bool = False
    """A beat has named it."""
    call: Call | None = None
    """The call of this attempt, as far as it is known."""
    saved: int = 0
    """Up to where the text is saved as a draft, in characters."""
    saved_at: float = field(default_factory=time.monotonic)
    settling: bool = False
    """A call is under way that ends this attempt: it may have ended in the database already."""
    cancel_requested: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def message_id(self) -> str:
        return self.reply.message_id

    @property
    def ids(self) -> dict[str, object]:
        """What a log line or a span says of it."""
        return {"message_id": self.message_id, "session_id": self.reply.session_id, "attempt": self.attempt}

    def begin(self, attempt: int) -> None:
        """Another attempt begins with an empty text: the text of the attempt before is never continued."""
        self.attempt = attempt
        self.settling = False
        self.text, self.length, self.saved, self.call = "", 0, 0, None
        self.model, self.is_in_ledger = None, False
        self.saved_at = time.monotonic()
