"""What a connection raises is one of our errors: who ended the call, and whether it may be billed."""

import httpx2
import pytest

from worker.errors import Disconnected, EmptyReply, InternalError, ModelError, ModelOverloaded, TimedOut
from worker.model import endings


@pytest.mark.parametrize(
    ("error", "is_unbilled"),
    [
        (httpx2.ConnectError("x"), True),
        (httpx2.ConnectTimeout("x"), True),
        (httpx2.PoolTimeout("x"), True),
        (httpx2.ProxyError("x"), True),
        (httpx2.ReadTimeout("x"), False),
        (httpx2.WriteTimeout("x"), False),
        (httpx2.ReadError("x"), False),
        (httpx2.RemoteProtocolError("x"), False),
        (TimeoutError(), False),
        (ValueError("x"), False),
    ],
)
def test_a_call_that_did_not_get_through_is_not_billed(error: Exception, is_unbilled: bool) -> None:
    assert endings.translate(error).is_unbilled is is_unbilled


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (EmptyReply("x"), EmptyReply),
        (httpx2.ReadTimeout("x"), TimedOut),
        (httpx2.ConnectTimeout("x"), TimedOut),
        (httpx2.PoolTimeout("x"), TimedOut),
        (TimeoutError(), TimedOut),
        (httpx2.ConnectError("x"), ModelOverloaded),
        (httpx2.ProxyError("x"), ModelOverloaded),
        (httpx2.ReadError("x"), Disconnected),
        (httpx2.RemoteProtocolError("x"), Disconnected),
        (httpx2.DecodingError("x"), Disconnected),
        (RuntimeError("x"), InternalError),
    ],
)
def test_what_a_connection_raises(error: Exception, wanted: type[ModelError]) -> None:
    assert type(endings.translate(error)) is wanted


@pytest.mark.parametrize("error", [httpx2.ReadTimeout("x"), httpx2.WriteTimeout("x"), TimeoutError()])
def test_a_silence_was_ended_by_us(error: Exception) -> None:
    assert not endings.translate(error).is_of_the_provider


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504, 524])
def test_a_refusal_was_ended_by_the_provider(status: int) -> None:
    assert endings.refusal_of_all(status, None, {}).is_of_the_provider
    assert endings.translate(httpx2.RemoteProtocolError("x")).is_of_the_provider
