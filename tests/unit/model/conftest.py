"""What watches the models, by a clock that a test moves."""

import pytest

from tests.support.clock import Clock
from worker.model.admission import Admission


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admission(clock: Clock) -> Admission:
    return Admission(["first", "second"], None, clock)
