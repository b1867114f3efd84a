"""The request log: one JSON line for each call that reached the model. For tests; off unless asked for."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass
class Call:
    """One call. The key is not part of it: it must not reach a file."""

    model: str
    method: str
    body: Any
    status: int = 200
    pieces: int = 0
    finish_reason: str | None = None
    outcome: str = "aborted"  # the client left; unless "completed", "refused", "reset" or "closed" by the model
    fault: str | None = None  # the one that it was made to meet
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat())


class CallLog:
    def __init__(self, path: Path | None) -> None:
        self._path = path

    def write(self, call: Call) -> None:
        if self._path:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(vars(call)) + "\n")
