"""Behind a limit of calls a worker has room for its share."""

import pytest

from tests.support.calls import call
from tests.support.clock import Clock
from worker.errors import RateLimited
from worker.model.admission import Admission
from worker.model.limits import RateLimit

MODELS = ["first", "second"]


def test_behind_a_limit_there_is_room_for_the_share_of_this_worker(clock: Clock) -> None:
    admission = Admission(["first"], RateLimit(60, 60.0), clock)
    admission.set_workers(4)
    clock.now += 60
    assert admission.capacity(50) == 15
    assert admission.capacity(3) == 3

    taken = 0
    while admission.take(["first"]):
        taken += 1
    assert taken == 15
    assert admission.states() == {"first": "limited"}
    assert admission.opens_in() == pytest.approx(60, abs=0.1)
    clock.now += 60.1
    assert admission.capacity(50) == 15


def test_each_model_has_its_own_limit(clock: Clock) -> None:
    admission = Admission(MODELS, RateLimit(10, 60.0), clock)
    clock.now += 60
    assert admission.capacity(50) == 20
    for _ in range(10):
        admission.take(MODELS)

    assert admission.take(MODELS) == "second"
    assert admission.capacity(50) == 9


def test_a_limit_is_learned_from_a_refusal_that_names_it(clock: Clock) -> None:
    admission = Admission(["first"], None, clock)
    admission.set_workers(2)
    call(admission, "first", RateLimited("x", 1.0, limit=30))
    clock.now += 120

    assert admission.capacity(50) == 15


def test_a_refusal_lowers_what_may_begin(clock: Clock) -> None:
    admission = Admission(["first"], RateLimit(60, 60.0), clock)
    clock.now += 60
    for _ in range(40):
        call(admission, "first")
    call(admission, "first", RateLimited("x", 1.0))
    clock.now += 60

    assert admission.capacity(100) == 30
