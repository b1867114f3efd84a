"""Restarts services that end unexpectedly, with growing pauses."""

import logging
import time
from typing import NoReturn

from worker.local.processes import Service, StartError, refused
from worker.local.stack import Stack

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
# After running for so long, a service counts as healthy and its next pause is short again.
WELL_AFTER_SECONDS = 60.0


class Restart:
    """Restarts one service; the pause before a restart doubles with each failure."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pause = FIRST_PAUSE_SECONDS
        self._started_at = time.monotonic()
        self._due_at: float | None = None

    def look(self) -> None:
        now = time.monotonic()
        if not self._service.died:
            return
        if self._due_at is None:
            self._plan(now)
        elif now >= self._due_at:
            self._try(now)

    def _plan(self, now: float) -> None:
        if now - self._started_at > WELL_AFTER_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        log.warning(
            "%s stopped unexpectedly (exit code %s); starting it again in %.0f s.",
            self._service.name,
            self._service.exit_code,
            self._pause,
        )
        self._due_at = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    def _try(self, now: float) -> None:
        self._due_at = None
        self._started_at = now
        try:
            self._service.start()
            log.warning("%s is running again.", self._service.name)
        except StartError as error:
            log.warning("%s", error)
        except OSError as error:
            log.warning("%s cannot be started. %s", self._service.name, refused(error))


def supervise(stack: Stack) -> NoReturn:
    """Runs until an exception of a signal handler ends it."""
    restarts = [Restart(service) for service in stack.services.values()]
    while True:
        time.sleep(LOOK_SECONDS)
        for restart in restarts:
            restart.look()
