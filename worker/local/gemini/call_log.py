"""The request log for tests: one JSON line for each call. Off by default."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass
class Call:
    """One call, without its API key, which must not be written to a file."""

    model: str
    method: str
    body: Any
    status: int = 200
    pieces: int = 0
    finish_reason: str | None = None
    outcome: str = "aborted"  # "aborted" by the client; or "completed", "refused", "reset" or "closed" by the model
    fault: str | None = None  # the kind of fault that was applied
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat())


class CallLog:
    def __init__(self, path: Path | None) -> None:
        self._path = path

    def write(self, call: Call) -> None:
        if self._path:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(vars(call)) + "\n")
