"""While a worker lives and a model may be asked, nothing that is due waits in the queue for long."""

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg

from tests.chaos.diary import Entry
from tests.chaos.house import LEASE_SECONDS, SWEEP_SECONDS

# The pause of a worker after a claim that failed, then a sweep. What a dead worker holds waits for a burial before.
LONGEST = 2 + SWEEP_SECONDS
LONGEST_OF_DEAD = LONGEST + LEASE_SECONDS
SLACK = 3.0  # seconds: this machine is busy
LOOK_SECONDS = 0.5
STARVED_SECONDS = 2.0
# Since when somebody could have taken it: a worker that lives, and for what a dead one holds, one that was heard for
# a whole life. What two workers have died of waits for one that holds nothing.
OVERDUE = """
select q.message_id::text, dead.id is not null, extract(epoch from now() - greatest(
  coalesce(dead.alive_until, q.due_at),
  (select min(w.heard_since + case when dead.id is null then '0 s' else make_interval(secs => w.alive_seconds) end)
    from private.workers w where w.alive_until > now())))::float8
from private.reply_queue q left join private.workers dead on dead.id = q.worker_id
where (q.worker_id is null and q.due_at < now() or dead.alive_until < now() and isfinite(dead.alive_until))
  and q.deaths < 2
"""
# Of those that live: then nothing is claimed, and rightly so.
NONE_MAY_ASK = (
    "select coalesce(bool_and(models_open_at > now()), false) from private.workers where alive_until > now()"
)


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
        self._overdue: dict[tuple[str, bool], float] = {}
        self.starved: list[Entry] = []
        self._thread.start()

    @property
    def worst(self) -> float:
        """Seconds, of what waited longest."""
        return max(self._overdue.values(), default=0.0)

    @property
    def violations(self) -> list[str]:
        return [
            f"{message}: {'held by a dead worker' if is_held else 'overdue'} for {seconds:.1f} s, and nobody looked"
            for (message, is_held), seconds in self._overdue.items()
            if seconds > LONGEST + SLACK
        ]

    @contextlib.contextmanager
    def disturbed(self) -> Iterator[None]:
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
        rows = connection.execute(OVERDUE).fetchall()
        if connection.execute(NONE_MAY_ASK).fetchone() == (True,):
            self._calm_since = time.monotonic()
        if self._is_disturbed or time.monotonic() - self._calm_since <= LONGEST_OF_DEAD + SLACK:
            return
        for message, is_held, seconds in rows:
            self._overdue[message, is_held] = max(seconds, self._overdue.get((message, is_held), 0.0))
