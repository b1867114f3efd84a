"""A model that fails most of its calls is left alone for a while, and then tried by one call."""

import contextlib

import pytest
from structlog.testing import capture_logs

from worker import breakers as module
from worker.breakers import FAILURE_SHARE, LEAST_CALLS, WINDOW_CALLS, Breakers
from worker.errors import (
    ContentBlocked,
    EmptyReply,
    ModelError,
    ModelGone,
    ModelOverloaded,
    QuotaSpent,
    TimedOut,
)

MODELS = ["first", "second"]
TROUBLES = [kind for kind in ModelError.__subclasses__() if kind.is_trouble_of_the_model]


@pytest.fixture
def breakers():
    return Breakers(MODELS)


@pytest.fixture
def recovering(monkeypatch):
    """As if the time for which a breaker stays open were over as soon as it begins."""
    monkeypatch.setattr(module, "OPEN_SECONDS", 0.0)
    return Breakers(MODELS)


def call(breakers, model, kind=None):
    with contextlib.suppress(ModelError), breakers.watch(model):
        if kind:
            raise kind("x")


def fail(breakers, model, times, kind=ModelOverloaded):
    for _ in range(times):
        call(breakers, model, kind)


def test_they_begin_closed(breakers):
    assert breakers.states() == {"first": "closed", "second": "closed"}
    assert breakers.pick(MODELS) == "first"
    assert breakers.pick(["second", "first"]) == "second"
    assert breakers.pick([]) is None


@pytest.mark.parametrize("kind", TROUBLES)
def test_enough_failures_open_one_and_leave_the_other(breakers, kind):
    fail(breakers, "first", LEAST_CALLS - 1, kind)
    assert breakers.pick(MODELS) == "first"

    fail(breakers, "first", 1, kind)

    assert breakers.states() == {"first": "open", "second": "closed"}
    assert breakers.pick(MODELS) == "second"
    assert breakers.pick(["first"]) is None


def test_it_is_a_share_that_opens_it(breakers):
    good = round(WINDOW_CALLS * (1 - FAILURE_SHARE)) + 1
    for _ in range(good):
        call(breakers, "first")
    fail(breakers, "first", WINDOW_CALLS - good)
    assert breakers.states()["first"] == "closed"

    # The window moves on: a good call of long ago makes room for a bad one.
    fail(breakers, "first", 1)
    assert breakers.states()["first"] == "open"


@pytest.mark.parametrize("kind", [EmptyReply, ContentBlocked])
def test_what_says_nothing_of_the_model_is_not_counted(breakers, kind):
    fail(breakers, "first", 3 * WINDOW_CALLS, kind)

    assert breakers.states()["first"] == "closed"


def test_a_call_that_was_stopped_is_not_counted(breakers):
    for _ in range(WINDOW_CALLS):
        with contextlib.suppress(KeyboardInterrupt), breakers.watch("first"):
            raise KeyboardInterrupt
    fail(breakers, "first", LEAST_CALLS)

    assert breakers.states()["first"] == "open"


def test_half_open_it_is_tried_by_one_call_while_another_model_can_serve(recovering):
    fail(recovering, "first", LEAST_CALLS)
    assert recovering.states()["first"] == "half_open"
    assert recovering.pick(MODELS) == "first"

    with recovering.watch("first"):
        assert recovering.pick(MODELS) == "second"
        assert recovering.pick(["first"]) == "first"

    assert recovering.states()["first"] == "closed"
    assert recovering.pick(MODELS) == "first"


def test_a_try_that_fails_opens_it_again(monkeypatch):
    monkeypatch.setattr(module, "OPEN_SECONDS", 0.0)
    breakers = Breakers(MODELS)
    fail(breakers, "first", LEAST_CALLS)
    breaker = breakers._breakers["first"]
    assert breaker.allow_request()
    breaker._recovery_timeout = 60.0

    call(breakers, "first", TimedOut)

    assert breakers.states()["first"] == "open"


def test_a_try_that_is_stopped_makes_room_for_another(recovering):
    fail(recovering, "first", LEAST_CALLS)
    with contextlib.suppress(KeyboardInterrupt), recovering.watch("first"):
        raise KeyboardInterrupt

    assert recovering.states()["first"] == "half_open"
    assert recovering.pick(MODELS) == "first"


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (ModelOverloaded, TimedOut, ModelOverloaded),
        (ModelGone, TimedOut, TimedOut),
        (QuotaSpent, ModelGone, QuotaSpent),
    ],
)
def test_a_refusal_is_that_of_the_last_call_and_the_most_hopeful(breakers, first, second, kind):
    fail(breakers, "first", LEAST_CALLS, first)
    fail(breakers, "second", LEAST_CALLS, second)

    refusal = breakers.refusal(MODELS)

    assert type(refusal) is kind
    assert refusal.retry_after == module.OPEN_SECONDS


def test_a_move_is_told_once(breakers):
    with capture_logs() as lines:
        fail(breakers, "first", LEAST_CALLS + 3)

    assert [(line["action"], line["model"], line["state"]) for line in lines] == [("breaker_moved", "first", "open")]
