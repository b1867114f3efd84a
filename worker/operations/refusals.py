"""Log lines for refused requests for figures: limited, so that a flood of requests cannot fill the disk."""

import threading
import time
from collections import Counter

import structlog

LINE_SECONDS = 10.0
"""Least time between two lines with the same reason."""

log = structlog.get_logger()


class Refusals:
    """`count` in a line: the refusals since the last line with this reason. The metric counts each one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._untold: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}

    def tell(self, reason: str, path: str, address: str | None) -> None:
        now = time.monotonic()
        with self._lock:
            self._untold[reason] += 1
            if now - self._told_at.get(reason, -LINE_SECONDS) < LINE_SECONDS:
                return
            self._told_at[reason] = now
            count = self._untold.pop(reason)
        log.warning(
            "The operator's figures were refused.",
            action="ops_refused",
            reason=reason,
            path=path,
            address=address,
            count=count,
        )
