"""What of a call is debited to its user's plan."""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.answering import claimed, told
from tests.support.costs import REFUSED, USED, by_us, estimated_prompt
from tests.support.fake_provider import FakeStream, Piece
from worker.errors import Disconnected, InternalError, ModelError, ModelOverloaded, RateLimited, TimedOut, Truncated
from worker.rows import Usage


async def debited_after(*pieces: Piece, usage: Usage | None = None) -> tuple[int | None, int]:
    """Tokens of the user's plan, of a call that ends like this, and of its prompt as estimated."""
    _, replies, _ = await told(FakeStream(*pieces, usage=usage), claim=claimed(calls_left=1), models=["first"])
    return replies.calls[0].tokens_debited, estimated_prompt()


@pytest.mark.parametrize("error", [*REFUSED, ModelOverloaded, TimedOut, Disconnected, Truncated, InternalError])
async def test_what_a_provider_ends_before_it_says_anything_is_nothing_to_the_user(
    error: Callable[[str], ModelError],
) -> None:
    """Also where it may be on the bill: an outage uses up nobody's day."""
    assert await debited_after(error("x")) == (0, estimated_prompt())


async def test_what_we_end_before_it_says_anything_is_its_prompt() -> None:
    """Or whoever has the model think for longer than we wait would ask for nothing."""
    debited, prompt = await debited_after(by_us(TimedOut)("x"))
    assert debited == prompt > 0


@pytest.mark.parametrize("error", [Truncated, Disconnected, TimedOut, ModelOverloaded, RateLimited])
@pytest.mark.parametrize(("usage", "spent"), [(None, 3), (Usage(candidates=7), 7), (Usage(10, 0, 7, 5), None)])
async def test_what_breaks_off_is_debited_as_estimated(
    error: Callable[[str], ModelError], usage: Usage | None, spent: int | None
) -> None:
    debited, prompt = await debited_after("twelve bytes", error("x"), usage=usage)
    assert debited == (prompt + spent if spent else 10 + 7 + 5)


async def test_a_stop_before_the_first_word_is_debited_as_the_prompt() -> None:
    claim = claimed()
    _, replies, _ = await told(FakeStream(claim.cancel_requested.set, asyncio.Event()), claim=claim)
    assert replies.calls[0].tokens_debited == estimated_prompt()


async def test_what_was_told_to_the_end_is_debited_as_told() -> None:
    assert (await debited_after("x" * 400, usage=USED))[0] == 12
