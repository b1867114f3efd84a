"""While a worker lives, nothing waits in the queue for longer than one lease and one sweep."""

import contextlib
import threading
import time

import psycopg

from tests.chaos.house import LEASE_SECONDS, SWEEP_SECONDS

LONGEST = LEASE_SECONDS + SWEEP_SECONDS
SLACK = 2.0  # seconds: this machine is busy
LOOK_SECONDS = 0.5


class QueueWatch:
    """`with watch.disturbed():` while the database or the API are away, or no worker lives."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._calm_since = time.monotonic()
        self._is_disturbed = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="queue watch", daemon=True)
        self.worst = 0.0
        self.violations: list[str] = []
        self._thread.start()

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
        while not self._stop.wait(LOOK_SECONDS):
            with (
                contextlib.suppress(psycopg.OperationalError),
                psycopg.connect(self._url, connect_timeout=2) as connection,
            ):
                self._look(connection)

    def _look(self, connection: psycopg.Connection) -> None:
        row = connection.execute(
            "select message_id, extract(epoch from now() - due_at)::float8 from private.reply_queue"
            " order by due_at limit 1"
        ).fetchone()
        calm = time.monotonic() - self._calm_since
        if row is None or self._is_disturbed or calm <= LONGEST + SLACK:
            return
        self.worst = max(self.worst, row[1])
        if row[1] > LONGEST + SLACK:
            self.violations.append(f"{row[0]}: overdue for {row[1]:.1f} s")
