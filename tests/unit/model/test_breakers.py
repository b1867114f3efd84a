"""A model that fails the questions of several users is left alone for a while, and then tried by one call."""

import pytest

from tests.support.clock import Clock
from worker.model.breakers import (
    FAILURE_SHARE,
    LEAST_USERS,
    LEAST_VOTES,
    OPEN_SECONDS,
    UNUSED_PROBE_SECONDS,
    WINDOW_VOTES,
    Breaker,
    Closure,
)
from worker.network.jitter import JITTER, jittered


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, times: int, users: int = LEAST_USERS, first: int = 0) -> None:
    for number in range(first, first + times):
        breaker.vote(f"bad {number}", f"user {number % users}", failed=True)


def succeed(breaker: Breaker, times: int) -> None:
    for number in range(times):
        breaker.vote(f"good {number}", "user", failed=False)


def test_enough_failures_open_it(breaker: Breaker) -> None:
    fail(breaker, LEAST_VOTES - 1)
    assert breaker.closure.state == "closed"

    fail(breaker, 1, first=LEAST_VOTES)
    assert breaker.closure.state == "open"


@pytest.mark.parametrize("users", [1, LEAST_USERS - 1])
def test_the_questions_of_few_users_never_open_it(breaker: Breaker, users: int) -> None:
    fail(breaker, 5 * WINDOW_VOTES, users=users)
    assert breaker.closure.state == "closed"

    breaker.vote("another", "one more user", failed=True)
    assert breaker.closure.state == ("open" if users == LEAST_USERS - 1 else "closed")


def test_good_answers_to_other_users_make_no_failures_of_them(breaker: Breaker) -> None:
    for number in range(LEAST_USERS):
        breaker.vote(f"good {number}", f"other {number}", failed=False)
    fail(breaker, LEAST_VOTES, users=1)

    assert breaker.closure.state == "closed"


def test_a_question_has_one_vote_its_newest(breaker: Breaker) -> None:
    for _ in range(4):
        for user in range(LEAST_VOTES - 1):
            breaker.vote(f"question {user}", f"user {user}", failed=True)
    assert breaker.closure.state == "closed", "four questions, however often they were asked"

    breaker.vote("question 0", "user 0", failed=False)
    fail(breaker, 1)
    assert breaker.closure.state == "open", "four of five"


def test_it_is_a_share_that_opens_it(breaker: Breaker) -> None:
    good = round(WINDOW_VOTES * (1 - FAILURE_SHARE)) + 1
    succeed(breaker, good)
    fail(breaker, WINDOW_VOTES - good)
    assert breaker.closure.state == "closed"

    # The window moves on: a good vote of long ago makes room for a bad one.
    fail(breaker, 1, first=WINDOW_VOTES)
    assert breaker.closure.state == "open"


def test_it_opens_by_a_failure_only(breaker: Breaker) -> None:
    fail(breaker, LEAST_VOTES - 1)
    succeed(breaker, 1)

    assert breaker.closure.state == "closed"


def test_it_is_half_open_after_its_time(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, LEAST_VOTES)
    clock.now += OPEN_SECONDS - 0.1
    assert breaker.closure.state == "open"
    assert breaker.closure.opens_in() > 0

    clock.now += OPEN_SECONDS * JITTER + 0.2
    assert breaker.closure.state == "half_open"
    assert breaker.closure.opens_in() == 0


def test_what_was_under_way_says_nothing_once_it_is_open(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, LEAST_VOTES)
    clock.now += OPEN_SECONDS
    left = breaker.closure.opens_in()
    fail(breaker, LEAST_VOTES)
    succeed(breaker, 2 * WINDOW_VOTES)

    assert breaker.closure.opens_in() == left
    assert breaker.closure.state in ("open", "half_open")


def test_there_is_one_probe_at_a_time(clock: Clock) -> None:
    closure = half_open(clock)
    closure.take()

    assert closure.opens_in() > 0
    probe = closure.use()
    assert probe is not None
    assert closure.use() is None, "another call that began before is no probe"
    clock.now += 10 * UNUSED_PROBE_SECONDS
    assert closure.opens_in() > 0, "however long it takes"
    probe.ended()
    assert closure.opens_in() == 0


def half_open(clock: Clock) -> Closure:
    closure = Closure(clock)
    closure.begin([10.0], then_probe=True, begun_at=clock.now)
    clock.now += 10 * (1 + JITTER)
    return closure


def test_a_place_that_nobody_uses_is_free_again(clock: Clock) -> None:
    closure = half_open(clock)
    closure.take()
    clock.now += UNUSED_PROBE_SECONDS

    assert closure.use() is None
    assert closure.opens_in() == 0


def test_the_end_of_an_old_probe_does_not_free_the_place_of_a_new_one(clock: Clock) -> None:
    closure = half_open(clock)
    closure.take()
    old = closure.use()
    assert old
    closure.begin([10.0], then_probe=True, begun_at=clock.now)
    clock.now += 10 * (1 + JITTER)
    closure.take()
    closure.use()
    old.ended()

    assert closure.opens_in() > 0


def test_closures_grow_on_repetition_and_not_by_one_burst(clock: Clock) -> None:
    closure = Closure(clock)
    seconds = []
    for _ in range(4):
        begun_at = clock.now
        clock.now += 0.5
        for _ in range(20):
            closure.begin([5.0, 10.0, 20.0], then_probe=False, begun_at=begun_at)
        seconds.append(closure.opens_in())
        clock.now += closure.opens_in()

    assert all(wish <= each <= wish * (1 + JITTER) for wish, each in zip([5, 10, 20, 20], seconds, strict=True))


def test_a_good_answer_makes_the_next_a_first_one(clock: Clock) -> None:
    closure = Closure(clock)
    for _ in range(3):
        closure.begin([5.0, 10.0], then_probe=False, begun_at=clock.now)
        clock.now += 60
    closure.answered(clock.now - 60.0)
    closure.begin([5.0, 10.0], then_probe=False, begun_at=clock.now)
    assert closure.opens_in() >= 10, "an answer to a call of before says nothing"

    clock.now += 60
    closure.answered(clock.now)
    closure.begin([5.0, 10.0], then_probe=False, begun_at=clock.now)
    assert closure.opens_in() <= 5 * (1 + JITTER)


def test_no_closure_is_shortened_and_its_probe_is_kept(clock: Clock) -> None:
    closure = Closure(clock)
    begun_at = clock.now
    clock.now += 1
    closure.begin([300.0], then_probe=True, begun_at=begun_at)
    closure.begin([2.0], then_probe=False, begun_at=begun_at)
    assert closure.opens_in() >= 300

    clock.now += 300 * (1 + JITTER)
    assert closure.is_half_open


def test_jitter_only_adds() -> None:
    drawn = [jittered(10.0) for _ in range(500)]

    assert 10 <= min(drawn) < 10.5
    assert 12.5 < max(drawn) <= 13
