"""Streams of the offline model that break, or say what is none."""

import pytest

from tests.support.offline_model import OfflineModel
from worker.errors import (
    InternalError,
    ModelError,
    ModelOverloaded,
    RateLimited,
    TimedOut,
    Truncated,
)


@pytest.mark.parametrize("after", [None, 0, 3])
@pytest.mark.parametrize(("fault", "cause"), [("reset", "ReadError"), ("close", "RemoteProtocolError")])
async def test_connections_that_break(offline_model: OfflineModel, fault: str, cause: str, after: int | None) -> None:
    await offline_model.add(fault=fault, after=after)

    heard = await offline_model.ask()

    assert isinstance(heard.error, Truncated)
    assert str(heard.error) == cause
    assert len(heard.pieces) == (after or 0)
    [call] = await offline_model.logged()
    outcome = {"reset": "reset", "close": "closed"}[fault]
    assert (call["outcome"], call["fault"], call["pieces"]) == (outcome, fault, after or 0)
    assert (await offline_model.ask()).error is None


@pytest.mark.parametrize("kind", ["invalid_json", "half_event", "comment", "html"])
@pytest.mark.parametrize("after", [0, 2])
async def test_garbage(offline_model: OfflineModel, kind: str, after: int) -> None:
    await offline_model.add(fault="garbage", kind=kind, after=after)

    heard = await offline_model.ask()

    assert isinstance(heard.error, Truncated)
    assert len(heard.pieces) == after
    [call] = await offline_model.logged()
    assert (call["outcome"], call["fault"], call["pieces"]) == ("completed", "garbage", after)
    assert call["finish_reason"] is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InternalError), (429, RateLimited), (500, ModelOverloaded), (503, ModelOverloaded), (504, TimedOut)],
)
@pytest.mark.parametrize("after", [0, 2])
async def test_an_error_inside_a_200(
    offline_model: OfflineModel, status: int, kind: type[Exception], after: int
) -> None:
    await offline_model.add(fault="error_event", status=status, after=after, retry_info=3)

    heard = await offline_model.ask()

    assert isinstance(heard.error, ModelError)
    assert type(heard.error) is kind
    assert len(heard.pieces) == after
    assert heard.error.retry_after == (None if status == 400 else 3)
    [call] = await offline_model.logged()
    assert (call["status"], call["fault"], call["pieces"]) == (200, "error_event", after)
