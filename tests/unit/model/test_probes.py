"""A model that is half open is tried by one call."""

import asyncio

import pytest

from tests.support.calls import call, fail, half_open
from tests.support.clock import Clock
from worker.errors import EmptyReply, InternalError, TimedOut, Truncated
from worker.model.admission import Admission
from worker.model.breakers import LEAST_VOTES, OPEN_SECONDS
from worker.network.jitter import JITTER

MODELS = ["first", "second"]


@pytest.mark.parametrize("models", [["first"], MODELS])
def test_half_open_there_are_never_two_probes_whoever_else_can_serve(clock: Clock, models: list[str]) -> None:
    admission = Admission(models, None, clock)
    half_open(admission, clock)

    assert admission.take(["first"]) == "first"
    assert admission.take(["first"]) is None, "taken, and not begun yet"
    with admission.watch("first", "q", "u"):
        assert admission.take(["first"]) is None
        assert admission.capacity(50) == (50 if len(models) > 1 else 0)
        assert admission.opens_in() == (0 if len(models) > 1 else pytest.approx(1.0))

    assert admission.states()["first"] == "closed"
    assert admission.capacity(50) == 50


def test_a_half_open_model_counts_as_one(clock: Clock) -> None:
    admission = Admission(["first"], None, clock)
    half_open(admission, clock)

    assert admission.capacity(50) == 1


def test_the_first_word_of_a_probe_closes_the_breaker_at_once(admission: Admission, clock: Clock) -> None:
    half_open(admission, clock)
    admission.take(["first"])
    with admission.watch("first", "q", "u") as watched:
        watched.first_word = True
        assert admission.states()["first"] == "closed"
        assert admission.take(["first"]) == "first"


def test_a_probe_that_fails_opens_it_again(admission: Admission, clock: Clock) -> None:
    half_open(admission, clock)
    assert call(admission, "first", TimedOut("x"))

    assert admission.states()["first"] == "open"
    clock.now += OPEN_SECONDS * (1 + JITTER)
    assert admission.states()["first"] == "half_open"


@pytest.mark.parametrize(
    "end", [asyncio.CancelledError(), EmptyReply("x"), InternalError("x"), Truncated("x")], ids=repr
)
def test_a_probe_that_is_stopped_or_says_nothing_frees_its_place(
    admission: Admission, clock: Clock, end: BaseException
) -> None:
    half_open(admission, clock)
    assert call(admission, "first", end)

    assert admission.states()["first"] == "half_open"
    assert admission.take(["first"]) == "first"


def test_a_probe_that_never_begins_frees_its_place(admission: Admission, clock: Clock) -> None:
    half_open(admission, clock)
    assert admission.take(["first"]) == "first"
    clock.now += 60

    assert admission.take(["first"]) == "first"


def test_a_call_from_before_is_no_probe(admission: Admission, clock: Clock) -> None:
    admission.take(["first"])
    with admission.watch("first", "old", "u"):
        half_open(admission, clock)
        admission.take(["first"])
        probing = admission.watch("first", "q", "u")
        probing.__enter__()
    assert admission.states()["first"] == "half_open", "its good end says nothing of now"
    assert admission.take(["first"]) is None, "and frees no place"
    probing.__exit__(None, None, None)
    assert admission.states()["first"] == "closed"


def test_a_success_begins_the_votes_anew(admission: Admission, clock: Clock) -> None:
    half_open(admission, clock)
    call(admission, "first")
    fail(admission, "first", times=LEAST_VOTES - 2)

    assert admission.states()["first"] == "closed"
