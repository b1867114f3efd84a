"""Which model may be asked, and what each end of a call says about it."""

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.support.calls import call, fail
from tests.support.clock import Clock
from worker.errors import (
    AccessRefused,
    ContentBlocked,
    Disconnected,
    EmptyReply,
    InternalError,
    ModelGone,
    ModelOverloaded,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
    TimedOut,
    Truncated,
)
from worker.model.admission import LIMITED_SECONDS, QUOTA_SECONDS, REFUSED_SECONDS, Admission
from worker.model.breakers import LEAST_VOTES, OPEN_SECONDS, WINDOW_VOTES
from worker.model.limits import RateLimit
from worker.network.jitter import JITTER

MODELS = ["first", "second"]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def admission(clock):
    return Admission(MODELS, None, clock)


def half_open(admission, clock, model="first"):
    fail(admission, model)
    clock.now += OPEN_SECONDS * (1 + JITTER)
    assert admission.states()[model] == "half_open"


def test_at_first_every_model_may_be_asked(admission):
    assert admission.states() == {"first": "closed", "second": "closed"}
    assert admission.take(MODELS) == "first"
    assert admission.take(["second", "first"]) == "second"
    assert admission.take([]) is None
    assert admission.capacity(50) == 50
    assert admission.capacity(0) == 0
    assert admission.opens_in() == 0


TROUBLES = [ModelOverloaded, TimedOut, Disconnected]


@pytest.mark.parametrize("kind", TROUBLES)
def test_trouble_before_the_first_word_opens_its_breaker_and_leaves_the_other(admission, kind):
    fail(admission, "first", kind)

    assert admission.states() == {"first": "open", "second": "closed"}
    assert admission.take(MODELS) == "second"
    assert admission.take(["first"]) is None
    assert not admission.can_serve(["first"])
    assert admission.can_serve(MODELS)
    assert admission.opens_in() == 0, "the second may be asked"


@pytest.mark.parametrize("kind", [*TROUBLES, Truncated, EmptyReply, ContentBlocked])
def test_what_came_after_the_first_word_is_never_counted(admission, kind):
    fail(admission, "first", kind, 3 * WINDOW_VOTES, word=True)

    assert admission.states()["first"] == "closed"


@pytest.mark.parametrize("kind", [Truncated, EmptyReply, ContentBlocked, PromptTooLong, InternalError])
def test_what_a_question_causes_is_never_counted(admission, kind):
    fail(admission, "first", kind, 3 * WINDOW_VOTES)

    assert admission.states()["first"] == "closed"


def test_a_long_thought_is_never_counted(admission):
    fail(admission, "first", TimedOut, 3 * WINDOW_VOTES, life=True)

    assert admission.states()["first"] == "closed"


def test_a_call_that_was_stopped_is_never_counted(admission):
    for number in range(3 * WINDOW_VOTES):
        call(admission, "first", asyncio.CancelledError(), question=f"stopped {number}", user=f"u{number}")
    fail(admission, "first")

    assert admission.states()["first"] == "open"


def test_all_calls_of_one_question_are_one_vote(admission):
    for _ in range(10):
        fail(admission, "first", times=LEAST_VOTES - 1)

    assert admission.states()["first"] == "closed"


def test_one_users_questions_close_no_model(admission):
    for number in range(100):
        call(admission, "first", ModelOverloaded("x"), question=f"q{number}", user="the one")

    assert admission.states()["first"] == "closed"


def test_a_limit_is_no_failure_and_closes_the_model_for_as_long_as_it_says(admission, clock):
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


def closed_for(admission, clock, model, error):
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
def test_what_the_provider_closes_is_closed_longer_each_time_until_a_good_answer(admission, clock, error, steps):
    for seconds in steps:
        assert seconds <= closed_for(admission, clock, "first", error) <= seconds * (1 + JITTER) + 0.5

    assert call(admission, "first")
    assert closed_for(admission, clock, "first", error) <= steps[0] * (1 + JITTER) + 0.5


def test_a_refused_key_closes_all_models_and_one_call_tries_it(admission, clock):
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
def test_what_is_gone_or_spent_is_tried_by_one_call(admission, clock, kind):
    call(admission, "first", kind("x"))
    assert admission.states() == {"first": "open", "second": "closed"}
    clock.now += 400

    assert admission.take(MODELS) == "first"
    assert admission.take(MODELS) == "second"


@pytest.mark.parametrize("models", [["first"], MODELS])
def test_half_open_there_are_never_two_probes_whoever_else_can_serve(clock, models):
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


def test_a_half_open_model_counts_as_one(clock):
    admission = Admission(["first"], None, clock)
    half_open(admission, clock)

    assert admission.capacity(50) == 1


def test_the_first_word_of_a_probe_closes_the_breaker_at_once(admission, clock):
    half_open(admission, clock)
    admission.take(["first"])
    with admission.watch("first", "q", "u") as watched:
        watched.first_word = True
        assert admission.states()["first"] == "closed"
        assert admission.take(["first"]) == "first"


def test_a_probe_that_fails_opens_it_again(admission, clock):
    half_open(admission, clock)
    assert call(admission, "first", TimedOut("x"))

    assert admission.states()["first"] == "open"
    clock.now += OPEN_SECONDS * (1 + JITTER)
    assert admission.states()["first"] == "half_open"


@pytest.mark.parametrize(
    "end", [asyncio.CancelledError(), EmptyReply("x"), InternalError("x"), Truncated("x")], ids=repr
)
def test_a_probe_that_is_stopped_or_says_nothing_frees_its_place(admission, clock, end):
    half_open(admission, clock)
    assert call(admission, "first", end)

    assert admission.states()["first"] == "half_open"
    assert admission.take(["first"]) == "first"


def test_a_probe_that_never_begins_frees_its_place(admission, clock):
    half_open(admission, clock)
    assert admission.take(["first"]) == "first"
    clock.now += 60

    assert admission.take(["first"]) == "first"


def test_a_call_from_before_is_no_probe(admission, clock):
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


def test_a_success_begins_the_votes_anew(admission, clock):
    half_open(admission, clock)
    call(admission, "first")
    fail(admission, "first", times=LEAST_VOTES - 2)

    assert admission.states()["first"] == "closed"


def test_behind_a_limit_there_is_room_for_the_share_of_this_worker(clock):
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


def test_each_model_has_its_own_limit(clock):
    admission = Admission(MODELS, RateLimit(10, 60.0), clock)
    clock.now += 60
    assert admission.capacity(50) == 20
    for _ in range(10):
        admission.take(MODELS)

    assert admission.take(MODELS) == "second"
    assert admission.capacity(50) == 9


def test_a_limit_is_learned_from_a_refusal_that_names_it(clock):
    admission = Admission(["first"], None, clock)
    admission.set_workers(2)
    call(admission, "first", RateLimited("x", 1.0, limit=30))
    clock.now += 120

    assert admission.capacity(50) == 15


def test_a_refusal_lowers_what_may_begin(clock):
    admission = Admission(["first"], RateLimit(60, 60.0), clock)
    clock.now += 60
    for _ in range(40):
        call(admission, "first")
    call(admission, "first", RateLimited("x", 1.0))
    clock.now += 60

    assert admission.capacity(100) == 30


def test_a_move_is_told_once(admission, clock):
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
