"""For how long a refusal closes a model."""

from collections.abc import Sequence

import pytest

from tests.support.calls import call, fail
from tests.support.clock import Clock
from worker.errors import AccessRefused, ModelError, ModelGone, QuotaSpent, RateLimited
from worker.model.admission import LIMITED_SECONDS, QUOTA_SECONDS, REFUSED_SECONDS, Admission
from worker.model.breakers import LEAST_VOTES
from worker.network.jitter import JITTER

MODELS = ["first", "second"]


def test_a_limit_is_no_failure_and_closes_the_model_for_as_long_as_it_says(
    admission: Admission, clock: Clock
) -> None:
    call(admission, "first", RateLimited("x", 23.0))

    assert admission.states() == {"first": "limited", "second": "closed"}
    assert admission.take(MODELS) == "second"
    clock.now += 22.9
    assert not admission.can_serve(["first"])
    clock.now += 23 * JITTER + 0.2
    assert admission.can_serve(["first"])
    for _ in range(5 * LEAST_VOTES):
        fail(admission, "first", RateLimited)
        clock.now += 600
    assert admission.states()["first"] == "closed"


def closed_for(admission: Admission, clock: Clock, model: str, error: ModelError) -> float:
    """Seconds, after this end of a call."""
    assert call(admission, model, error)
    begun, left = clock.now, 0.0
    while not admission.can_serve([model]):
        clock.now += 0.25
        left = clock.now - begun
    clock.now += 3600  # whatever the limit has learned is forgotten by the next
    return left


@pytest.mark.parametrize(
    ("error", "steps"),
    [
        (RateLimited("x"), LIMITED_SECONDS),
        (RateLimited("x", 7.0), [7.0, 7.0, 7.0]),
        (QuotaSpent("x"), [*QUOTA_SECONDS, *QUOTA_SECONDS]),
        (ModelGone("x"), [*REFUSED_SECONDS, REFUSED_SECONDS[-1]]),
        (AccessRefused("x"), [*REFUSED_SECONDS, REFUSED_SECONDS[-1]]),
    ],
    ids=repr,
)
def test_what_the_provider_closes_is_closed_longer_each_time_until_a_good_answer(
    admission: Admission, clock: Clock, error: ModelError, steps: Sequence[float]
) -> None:
    for seconds in steps:
        assert seconds <= closed_for(admission, clock, "first", error) <= seconds * (1 + JITTER) + 0.5

    assert call(admission, "first")
    assert closed_for(admission, clock, "first", error) <= steps[0] * (1 + JITTER) + 0.5


def test_a_refused_key_closes_all_models_and_one_call_tries_it(admission: Admission, clock: Clock) -> None:
    call(admission, "first", AccessRefused("x"))
    assert admission.states() == {"first": "open", "second": "open"}
    assert admission.capacity(50) == 0
    assert 0 < admission.opens_in() <= REFUSED_SECONDS[0] * (1 + JITTER)

    clock.now += REFUSED_SECONDS[0] * (1 + JITTER)
    assert admission.capacity(50) == 1
    assert admission.take(MODELS) == "first"
    assert admission.take(MODELS) is None
    with admission.watch("first", "q", "u"):
        assert admission.capacity(50) == 0
    assert admission.states() == {"first": "closed", "second": "closed"}
    assert admission.capacity(50) == 50


@pytest.mark.parametrize("kind", [QuotaSpent, ModelGone])
def test_what_is_gone_or_spent_is_tried_by_one_call(
    admission: Admission, clock: Clock, kind: type[ModelError]
) -> None:
    call(admission, "first", kind("x"))
    assert admission.states() == {"first": "open", "second": "closed"}
    clock.now += 400

    assert admission.take(MODELS) == "first"
    assert admission.take(MODELS) == "second"
