"""A reply that this worker holds, and the progress of its answer."""

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
    """The text that was streamed in this attempt."""
    length: int = 0
    """Length of `text` in UTF-16 code units."""
    model: str | None = None
    """The model of this attempt's call; None before the call."""
    is_in_ledger: bool = False
    """A beat has named its model, so the ledger has a row of the call."""
    call: Call | None = None
    """The call of this attempt, with the figures known so far."""
    saved: int = 0
    """How much of `text` is saved as a draft, in characters."""
    saved_at: float = field(default_factory=time.monotonic)
    settling: bool = False
    """A function that ends this attempt was called: the attempt may already have ended in the database."""
    cancel_requested: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def message_id(self) -> str:
        return self.reply.message_id

    @property
    def ids(self) -> dict[str, object]:
        """Its ids for log lines."""
        return {"message_id": self.message_id, "session_id": self.reply.session_id, "attempt": self.attempt}

    def begin(self, attempt: int) -> None:
        """Begin another attempt, with an empty text: the text of the last attempt is never continued."""
        self.attempt = attempt
        self.settling = False
        self.text, self.length, self.saved, self.call = "", 0, 0, None
        self.model, self.is_in_ledger = None, False
        self.saved_at = time.monotonic()
