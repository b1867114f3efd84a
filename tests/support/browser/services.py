"""Services of the house that come back with other settings, or not at all for a while."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from worker.local.processes import Service


@contextmanager
def restarted(service: Service, **settings: str) -> Iterator[None]:
    """Stopped and started with these settings; and once more without them at the end."""
    service.stop()
    with patch.dict(os.environ, settings):
        service.start()
    try:
        yield
    finally:
        service.stop()
        service.start()
