"""While a worker lives, nothing waits in the queue for longer than one lease and one sweep."""

import contextlib
import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg

from tests.chaos.diary import Entry
from tests.chaos.house import LEASE_SECONDS, SWEEP_SECONDS

LONGEST = LEASE_SECONDS + SWEEP_SECONDS
SLACK = 3.0  # seconds: this machine is busy
LOOK_SECONDS = 0.5
STARVED_SECONDS = 2.0


class QueueWatch:
    """`with watch.disturbed():` while the database or the API are away, or no worker lives.

    Where the watch itself did not get its turn, the workers may not have had theirs: `starved` says when.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._calm_since = time.monotonic()
        self._is_disturbed = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="queue watch", daemon=True)
        self._overdue: dict[str, float] = {}
        self.starved: list[Entry] = []
        self._thread.start()

    @property
    def worst(self) -> float:
        """Seconds, of what waited longest."""
        return max(self._overdue.values(), default=0.0)

    @property
    def violations(self) -> list[str]:
        late = {message: seconds for message, seconds in self._overdue.items() if seconds > LONGEST + SLACK}
        return [f"{message}: overdue for {seconds:.1f} s, and nobody looked" for message, seconds in late.items()]

    @contextlib.contextmanager
    def disturbed(self):
        self._is_disturbed = True
        try:
            yield
        finally:
            self._is_disturbed = False
            self._calm_since = time.monotonic()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._stop.wait(LOOK_SECONDS):
            gap = time.monotonic() - looked
            if gap > LOOK_SECONDS + STARVED_SECONDS:
                now = datetime.now(UTC)
                self.starved.append(Entry("starved", now - timedelta(seconds=gap), now))
                self._calm_since = time.monotonic()
            looked = time.monotonic()
            with (
                contextlib.suppress(psycopg.OperationalError),
                psycopg.connect(self._url, connect_timeout=2) as connection,
            ):
                self._look(connection)

    def _look(self, connection: psycopg.Connection) -> None:
        rows = connection.execute(
            "select message_id::text, extract(epoch from now() - due_at)::float8 from private.reply_queue"
            " where due_at < now()"
        ).fetchall()
        if self._is_disturbed or time.monotonic() - self._calm_since <= LONGEST + SLACK:
            return
        for message, seconds in rows:
            self._overdue[message] = max(seconds, self._overdue.get(message, 0.0))
