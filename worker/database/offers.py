"""Repeats the call that stores an answer for a bounded time, since the answer is paid for."""

import functools
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_delay, wait_random_exponential

from worker.claim import Claim
from worker.errors import DatabaseAway, DatabaseRefused
from worker.network.jitter import jittered

log = structlog.get_logger()
Answer = TypeVar("Answer")

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.4, 5.0
"""Bounds of the pause between two offers; the API may request a longer one."""


async def repeat(function: str, claim: Claim, seconds: float, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The result of `ask`, which is repeated for `seconds` while the API is away, or refuses for another reason than
    the content. Then the last error is raised: DatabaseAway or DatabaseRefused. Cancelling ends it earlier.
    """
    again = AsyncRetrying(
        retry=retry_if_exception(_may_pass),
        wait=pause,
        stop=stop_after_delay(seconds),
        before_sleep=functools.partial(_tell, function, claim),
        reraise=True,
    )
    return await again(ask)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, DatabaseAway) or (isinstance(error, DatabaseRefused) and not error.is_of_the_content)


_back_off = wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS)


def pause(state: RetryCallState) -> float:
    """Seconds until the next offer; random, so that after an outage not all answers are offered at once."""
    error = state.outcome.exception() if state.outcome else None
    wish = error.retry_after if isinstance(error, DatabaseAway) else None
    return max(_back_off(state), jittered(wish or 0.0))


def _tell(function: str, claim: Claim, state: RetryCallState) -> None:
    """Log only after 1, 2, 4, 8 … offers, so that an outage that delays many answers does not fill the log."""
    if state.attempt_number & (state.attempt_number - 1) == 0:
        log.warning(
            "An answer is not stored yet, and is offered again.",
            action="offered_again",
            function=function,
            offers=state.attempt_number,
            reason=str(state.outcome.exception()) if state.outcome else None,
            **claim.ids,
        )
