"""What is offered again is offered at once."""

import pytest

from worker.database import offers


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "pause", lambda _: 0.0)
