"""Which model one claim asks next, and when."""

import contextlib

import pytest

from tests.support.calls import fail
from worker.errors import AccessRefused, ModelError, NoModel, RateLimited, TimedOut
from worker.model.admission import Admission
from worker.model.choice import NO_MODEL_OF_PLAN_SECONDS, ModelChoice
from worker.model.retry import Again

KINDS = ModelError.__subclasses__()
OF_THE_QUESTION = [kind for kind in KINDS if kind.is_of_the_question]
OTHERS = [kind for kind in KINDS if not kind.is_of_the_question and kind is not AccessRefused]


def asked(admission: Admission, choice: ModelChoice, kind: type[ModelError], **others: float) -> tuple[str, Again]:
    """The model, and when the next is asked."""
    model, error = choice.choose(), kind("x", **others)
    with contextlib.suppress(ModelError), admission.watch(model, "q", "u"):
        raise error
    return model, choice.after(model, error)


@pytest.mark.parametrize("kind", OTHERS)
def test_a_model_that_gives_no_answer_is_followed_by_the_next_in_the_same_claim(
    admission: Admission, kind: type[ModelError]
) -> None:
    choice = ModelChoice(admission)

    assert asked(admission, choice, kind) == ("first", Again.AT_ONCE)
    assert asked(admission, choice, kind) == ("second", Again.LATER)


@pytest.mark.parametrize("kind", OF_THE_QUESTION)
def test_what_is_of_the_question_is_final(admission: Admission, kind: type[ModelError]) -> None:
    assert asked(admission, ModelChoice(admission), kind) == ("first", Again.NEVER)


def test_with_a_refused_key_no_other_model_is_asked(admission: Admission) -> None:
    choice = ModelChoice(admission)
    assert asked(admission, choice, AccessRefused) == ("first", Again.LATER)

    with pytest.raises(NoModel) as caught:
        choice.choose()
    assert 0 < caught.value.seconds < 10


@pytest.mark.parametrize("kind", [kind for kind in OTHERS if not kind.closes_the_model])
def test_those_that_were_asked_are_set_aside_and_come_again_in_turn(
    admission: Admission, kind: type[ModelError]
) -> None:
    choice = ModelChoice(admission)

    assert [asked(admission, choice, kind)[0] for _ in range(5)] == ["first", "second", "first", "second", "first"]


def test_one_that_was_asked_is_asked_again_while_no_other_can_serve(admission: Admission) -> None:
    fail(admission, "second")
    choice = ModelChoice(admission)

    assert asked(admission, choice, TimedOut) == ("first", Again.LATER)
    assert choice.choose() == "first"


def test_a_model_that_is_left_alone_is_passed_over(admission: Admission) -> None:
    fail(admission, "first")

    assert ModelChoice(admission).choose() == "second"


def test_another_claim_begins_with_the_first(admission: Admission) -> None:
    asked(admission, ModelChoice(admission), TimedOut)

    assert ModelChoice(admission).choose() == "first"


def test_where_no_model_may_be_asked_it_is_told_for_how_long_and_no_call_is_counted(admission: Admission) -> None:
    for model in ("first", "second"):
        with contextlib.suppress(ModelError), admission.watch(model, "q", "u"):
            raise RateLimited("x", 40.0 if model == "first" else 20.0)
    with pytest.raises(NoModel) as caught:
        ModelChoice(admission).choose()

    assert 20 <= caught.value.seconds <= 26
    assert not isinstance(caught.value, ModelError)


def test_a_plan_s_models_are_asked_and_no_others(admission: Admission) -> None:
    choice = ModelChoice(admission, ["second", "elsewhere"])

    assert asked(admission, choice, TimedOut) == ("second", Again.LATER)
    assert choice.choose() == "second"


def test_where_a_plan_s_models_are_closed_it_waits_for_them_and_not_for_others(admission: Admission) -> None:
    choice = ModelChoice(admission, ["second"])
    assert asked(admission, choice, RateLimited, retry_after=7.0) == ("second", Again.LATER)

    with pytest.raises(NoModel) as caught:
        choice.choose()
    assert 5 < caught.value.seconds < 15
    assert ModelChoice(admission).choose() == "first"


def test_where_a_plan_names_no_model_that_there_is_the_question_waits(admission: Admission) -> None:
    with pytest.raises(NoModel) as caught:
        ModelChoice(admission, ["elsewhere"]).choose()
    assert caught.value.seconds == NO_MODEL_OF_PLAN_SECONDS
