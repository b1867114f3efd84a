"""How a limit of calls is written."""

import pytest

from worker.model.limits import RateLimit


@pytest.mark.parametrize("text", ["60/60", " 60 / 60 ", "60/60.0"])
def test_a_rate_is_read(text: str) -> None:
    assert RateLimit.parse(text) == (60, 60.0)


@pytest.mark.parametrize(
    "text", ["", "60", "60/", "/60", "0/60", "60/0", "-1/60", "1.5/60", "60/60/60", "60/m", "nan/1"]
)
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="calls/seconds"):
        RateLimit.parse(text)
