"""Which error is followed by another attempt, when, and where the reply waits until then."""

import random

import pytest

from worker import errors
from worker.errors import ModelError, RateLimited, TimedOut
from worker.model.retry import Again, Pause, decide

LONG = 1000.0  # seconds until the deadline
# Class → the user's code, final at once, closes the model, a vote in its breaker, one of the question's calls.
KINDS = {
    errors.ModelOverloaded: ("model_overloaded", False, False, True, True),
    errors.TimedOut: ("timed_out", False, False, True, True),
    errors.Truncated: ("truncated", False, False, False, True),
    errors.Disconnected: ("truncated", False, False, True, True),
    errors.EmptyReply: ("empty_reply", False, False, False, True),
    errors.RateLimited: ("rate_limited", False, True, False, False),
    errors.QuotaSpent: ("rate_limited", False, True, False, False),
    errors.ModelGone: ("model_unavailable", False, True, False, False),
    errors.AccessRefused: ("model_unavailable", False, True, False, False),
    errors.ContentBlocked: ("content_blocked", True, False, False, True),
    errors.PromptTooLong: ("prompt_too_long", True, False, False, True),
    errors.InternalError: ("internal", True, False, False, True),
}
NOT_COUNTED = [kind for kind in KINDS if not kind.is_counted]
CLOSING = [kind for kind in KINDS if kind.closes_the_model]


@pytest.fixture
def ceilings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """The ceilings that were drawn from; the draw is the ceiling itself."""
    drawn = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    return drawn


def kinds_of(root: type[ModelError]) -> list[type[ModelError]]:
    return [kind for child in root.__subclasses__() for kind in (child, *kinds_of(child))]


def test_every_kind_of_error_is_in_the_table() -> None:
    assert {
        kind: (
            kind.error_code,
            kind.is_of_the_question,
            kind.closes_the_model,
            kind.is_trouble_of_the_model,
            kind.is_counted,
        )
        for kind in kinds_of(ModelError)
    } == KINDS


@pytest.mark.parametrize("again", Again)
@pytest.mark.parametrize("calls_left", [0, -1])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NOT_COUNTED])
def test_without_calls_there_is_no_next(kind: type[ModelError], again: Again, calls_left: int) -> None:
    assert decide(kind("x", retry_after=1.0), again, calls_left, 1, LONG) is None


@pytest.mark.parametrize("kind", NOT_COUNTED)
@pytest.mark.parametrize("again", [Again.LATER, Again.AT_ONCE])
def test_what_is_no_call_is_never_the_last(kind: type[ModelError], again: Again) -> None:
    assert decide(kind("x", retry_after=1.0), again, 0, 4, LONG) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_never_is_never(kind: type[ModelError]) -> None:
    assert decide(kind("x", retry_after=1.0), Again.NEVER, 3, 1, LONG) is None


@pytest.mark.parametrize("kind", [RateLimited, TimedOut])
def test_at_once_waits_for_nothing(kind: type[ModelError]) -> None:
    assert decide(kind("x", retry_after=600.0), Again.AT_ONCE, 1, 3, LONG) == Pause(0.0, in_queue=False)


@pytest.mark.parametrize("kind", CLOSING)
def test_while_the_model_is_closed_the_question_waits_in_the_queue(kind: type[ModelError]) -> None:
    pause = decide(kind("x", retry_after=0.5), Again.LATER, 1, 1, LONG)

    assert pause
    assert pause.in_queue
    assert 0.5 <= pause.seconds <= 0.65


@pytest.mark.parametrize(("calls_made", "ceiling"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (50, 30.0)])
def test_the_backoff_doubles_up_to_its_limit_and_is_all_jitter(
    calls_made: int, ceiling: float, ceilings: list[tuple[float, float]]
) -> None:
    assert decide(TimedOut("x"), Again.LATER, 1, calls_made, LONG) == Pause(ceiling, in_queue=ceiling > 5)
    assert ceilings == [(0, ceiling)]


def test_a_backoff_before_any_call_that_counts_is_a_first_one(ceilings: list[tuple[float, float]]) -> None:
    assert decide(RateLimited("x"), Again.LATER, 4, 0, LONG) == Pause(1.0, in_queue=True)


@pytest.mark.parametrize("wish", [0.0, 3.0, 23.0, 3600.0])
def test_the_wish_of_the_provider_is_granted_and_a_little_more(wish: float) -> None:
    pauses = [decide(TimedOut("x", retry_after=wish), Again.LATER, 1, 4, 10_000.0) for _ in range(200)]
    seconds = [pause.seconds for pause in pauses if pause]

    assert wish <= min(seconds) <= max(seconds) <= 1.3 * wish
    assert max(seconds) - min(seconds) >= 0.2 * wish, "not all at the same moment"
    assert {pause and pause.in_queue for pause in pauses} == {wish > 5}


@pytest.mark.parametrize(
    ("again", "wish", "seconds_left", "seconds", "in_queue"),
    [
        (Again.LATER, 3.0, 4.0, 3.0, False),
        (Again.LATER, 3.0, 3.0, 3.0, True),
        (Again.LATER, 0.0, -3.0, 1.0, True),
        (Again.AT_ONCE, None, 0.1, 0.0, False),
        (Again.AT_ONCE, None, 0.0, 1.0, True),
    ],
)
def test_what_would_begin_after_the_deadline_waits_in_the_queue(
    again: Again, wish: float | None, seconds_left: float, seconds: float, in_queue: bool
) -> None:
    pause = decide(TimedOut("x", retry_after=wish), again, 1, 1, seconds_left)

    assert pause
    assert seconds <= pause.seconds <= 1.3 * seconds
    assert pause.in_queue == in_queue


def test_all_errors_have_one_root() -> None:
    kinds = [kind for kind in vars(errors).values() if getattr(kind, "__module__", "") == errors.__name__]

    assert kinds
    assert all(issubclass(kind, errors.PostBroError) for kind in kinds)
