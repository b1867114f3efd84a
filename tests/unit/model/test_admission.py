"""Which model may be asked, and what each end of a call says about it."""

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.support.calls import call, fail
from tests.support.clock import Clock
from worker.errors import (
    ContentBlocked,
    Disconnected,
    EmptyReply,
    InternalError,
    ModelError,
    ModelOverloaded,
    PromptTooLong,
    RateLimited,
    TimedOut,
    Truncated,
)
from worker.model.admission import Admission
from worker.model.breakers import LEAST_VOTES, OPEN_SECONDS, WINDOW_VOTES
from worker.network.jitter import JITTER

MODELS = ["first", "second"]


def test_at_first_every_model_may_be_asked(admission: Admission) -> None:
    assert admission.states() == {"first": "closed", "second": "closed"}
    assert admission.take(MODELS) == "first"
    assert admission.take(["second", "first"]) == "second"
    assert admission.take([]) is None
    assert admission.capacity(50) == 50
    assert admission.capacity(0) == 0
    assert admission.opens_in() == 0


TROUBLES = [ModelOverloaded, TimedOut, Disconnected]


@pytest.mark.parametrize("kind", TROUBLES)
def test_trouble_before_the_first_word_opens_its_breaker_and_leaves_the_other(
    admission: Admission, kind: type[ModelError]
) -> None:
    fail(admission, "first", kind)

    assert admission.states() == {"first": "open", "second": "closed"}
    assert admission.take(MODELS) == "second"
    assert admission.take(["first"]) is None
    assert not admission.can_serve(["first"])
    assert admission.can_serve(MODELS)
    assert admission.opens_in() == 0, "the second may be asked"


@pytest.mark.parametrize("kind", [*TROUBLES, Truncated, EmptyReply, ContentBlocked])
def test_what_came_after_the_first_word_is_never_counted(admission: Admission, kind: type[ModelError]) -> None:
    fail(admission, "first", kind, 3 * WINDOW_VOTES, word=True)

    assert admission.states()["first"] == "closed"


@pytest.mark.parametrize("kind", [Truncated, EmptyReply, ContentBlocked, PromptTooLong, InternalError])
def test_what_a_question_causes_is_never_counted(admission: Admission, kind: type[ModelError]) -> None:
    fail(admission, "first", kind, 3 * WINDOW_VOTES)

    assert admission.states()["first"] == "closed"


def test_a_long_thought_is_never_counted(admission: Admission) -> None:
    fail(admission, "first", TimedOut, 3 * WINDOW_VOTES, life=True)

    assert admission.states()["first"] == "closed"


def test_a_call_that_was_stopped_is_never_counted(admission: Admission) -> None:
    for number in range(3 * WINDOW_VOTES):
        call(admission, "first", asyncio.CancelledError(), question=f"stopped {number}", user=f"u{number}")
    fail(admission, "first")

    assert admission.states()["first"] == "open"


def test_all_calls_of_one_question_are_one_vote(admission: Admission) -> None:
    for _ in range(10):
        fail(admission, "first", times=LEAST_VOTES - 1)

    assert admission.states()["first"] == "closed"


def test_one_users_questions_close_no_model(admission: Admission) -> None:
    for number in range(100):
        call(admission, "first", ModelOverloaded("x"), question=f"q{number}", user="the one")

    assert admission.states()["first"] == "closed"


def test_a_move_is_told_once(admission: Admission, clock: Clock) -> None:
    with capture_logs() as lines:
        fail(admission, "first", times=LEAST_VOTES + 3)
        clock.now += OPEN_SECONDS * (1 + JITTER)
        call(admission, "first")
        call(admission, "second", RateLimited("x", 5.0))

    assert [(line["action"], line["model"], line["state"]) for line in lines] == [
        ("breaker_moved", "first", "open"),
        ("breaker_moved", "first", "half_open"),
        ("breaker_moved", "first", "closed"),
        ("breaker_moved", "second", "limited"),
    ]
