"""Nothing was spent, and afterwards there is no cap."""

from collections.abc import Iterator

import pytest

from tests.support.database import Connection
from tests.support.spend_cap import change, forget


@pytest.fixture(autouse=True)
def nothing_spent(quiet: None, no_figures: None, database: Connection) -> Iterator[None]:
    yield
    change(database, paused=False, spend_cap_usd_per_day=None, spend_cap_usd_per_month=None)
    forget(database)
