"""Which error is followed by another attempt, when, and where the reply waits until then."""

import pytest

from worker import errors, retry
from worker.errors import ModelError, RateLimited, TimedOut
from worker.retry import Again, Pause, decide

LONG = 1000.0  # seconds until the deadline
# Class → the user's code, again by the same model, another model may help, counted by the breaker.
KINDS = {
    errors.ModelOverloaded: ("model_overloaded", True, True, True),
    errors.RateLimited: ("rate_limited", True, False, True),
    errors.QuotaSpent: ("rate_limited", False, True, True),
    errors.TimedOut: ("timed_out", True, False, True),
    errors.Truncated: ("truncated", True, False, True),
    errors.EmptyReply: ("empty_reply", True, False, False),
    errors.ModelGone: ("model_unavailable", False, True, True),
    errors.ModelUnavailable: ("model_unavailable", False, False, False),
    errors.ContentBlocked: ("content_blocked", False, False, False),
    errors.PromptTooLong: ("prompt_too_long", False, False, False),
    errors.InternalError: ("internal", False, False, False),
}


@pytest.fixture
def ceilings(monkeypatch):
    """The ceilings that were drawn from; the draw is the ceiling itself."""
    drawn = []

    def uniform(low, high):
        drawn.append((low, high))
        return high

    monkeypatch.setattr(retry.random, "uniform", uniform)
    return drawn


def test_every_kind_of_error_is_in_the_table():
    assert {
        kind: (kind.error_code, kind.may_be_retried, kind.another_model_may_help, kind.is_trouble_of_the_model)
        for kind in ModelError.__subclasses__()
    } == KINDS


@pytest.mark.parametrize("again", Again)
@pytest.mark.parametrize("tries_left", [0, -1])
def test_without_tries_there_is_no_next(again, tries_left):
    assert decide(TimedOut("x", retry_after=1.0), again, tries_left, 1, LONG) is None


def test_never_is_never():
    assert decide(TimedOut("x", retry_after=1.0), Again.NEVER, 3, 1, LONG) is None


def test_at_once_waits_for_nothing():
    assert decide(RateLimited("x", retry_after=600.0), Again.AT_ONCE, 1, 3, LONG) == Pause(0.0, in_queue=False)


@pytest.mark.parametrize(("tries_made", "ceiling"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (50, 30.0)])
def test_the_backoff_doubles_up_to_its_limit_and_is_all_jitter(tries_made, ceiling, ceilings):
    assert decide(TimedOut("x"), Again.LATER, 1, tries_made, LONG) == Pause(ceiling, in_queue=ceiling > 5)
    assert ceilings == [(0, ceiling)]


@pytest.mark.parametrize("wish", [0.0, 4.9, 23.0, 3600.0])
def test_the_wish_of_the_provider_wins(wish, ceilings):
    assert decide(RateLimited("x", retry_after=wish), Again.LATER, 1, 4, 10_000.0) == Pause(wish, in_queue=wish > 5)
    assert ceilings == []


@pytest.mark.parametrize(
    ("again", "wish", "seconds_left", "pause"),
    [
        (Again.LATER, 4.0, 4.1, Pause(4.0, in_queue=False)),
        (Again.LATER, 4.0, 4.0, Pause(4.0, in_queue=True)),
        (Again.LATER, 0.0, -3.0, Pause(1.0, in_queue=True)),
        (Again.AT_ONCE, None, 0.1, Pause(0.0, in_queue=False)),
        (Again.AT_ONCE, None, 0.0, Pause(1.0, in_queue=True)),
    ],
)
def test_what_would_begin_after_the_deadline_waits_in_the_queue(again, wish, seconds_left, pause):
    assert decide(TimedOut("x", retry_after=wish), again, 1, 1, seconds_left) == pause


def test_all_errors_have_one_root():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]

    assert all(issubclass(kind, errors.PostBroError) for kind in kinds)
