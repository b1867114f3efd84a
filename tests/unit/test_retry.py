"""Which error is tried again, and when."""

import pytest

from worker import errors, retry
from worker.errors import ModelError, RateLimited, TimedOut

AGAIN = {"model_overloaded", "rate_limited", "timed_out", "truncated", "empty_reply"}
NEVER = {"model_unavailable", "content_blocked", "prompt_too_long", "internal"}
KINDS = ModelError.__subclasses__()


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
    assert {kind.error_code for kind in KINDS} == AGAIN | NEVER
    assert len(KINDS) == len(AGAIN | NEVER)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_may_pass_is_tried_again(kind, ceilings):
    assert (retry.decide(kind("x"), tries_left=1, tries_made=1) is not None) == (kind.error_code in AGAIN)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tries_left", [0, -1])
def test_without_tries_there_is_no_next(kind, tries_left):
    assert retry.decide(kind("x", retry_after=1.0), tries_left, tries_made=1) is None


@pytest.mark.parametrize(("tries_made", "ceiling"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (50, 30.0)])
def test_the_backoff_doubles_up_to_its_limit_and_is_all_jitter(tries_made, ceiling, ceilings):
    assert retry.decide(TimedOut("x"), 1, tries_made) == ceiling
    assert ceilings == [(0, ceiling)]


@pytest.mark.parametrize("wish", [0.0, 23.0, 3600.0])
def test_the_wish_of_the_provider_wins(wish, ceilings):
    assert retry.decide(RateLimited("x", retry_after=wish), 1, tries_made=4) == wish
    assert ceilings == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.error_code in NEVER])
def test_no_wish_revives_what_is_final(kind):
    assert retry.decide(kind("x", retry_after=1.0), 5, tries_made=1) is None


def test_all_errors_have_one_root():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]

    assert all(issubclass(kind, errors.PostBroError) for kind in kinds)
