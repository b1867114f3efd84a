"""Figures of the provider's: whatever comes, what is noted can be stored and counted, and costs no answer."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import usage
from worker.model.pricing import Prices
from worker.rows import Call, FinishReason, Usage
from worker.telemetry import metrics

INTEGER_OF_POSTGRES = 2**31
NAMES = [*usage.FIELDS, "totalTokenCount", "x"]

figures = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-10, 2**31 + 10)
    | st.floats()
    | st.text()
    | st.integers().map(str)
    | st.lists(st.integers())
)
events = st.lists(st.dictionaries(st.sampled_from(NAMES), figures) | figures, max_size=5)


def noted(told: list[object], has_text: bool = True) -> Usage | None:
    """What is known after events that told these figures."""
    known = None
    for each in told:
        if counts := usage.counts(each):
            prompt, cached, candidates, thoughts = (counts.get(name) for name in usage.FIELDS)
            known = usage.updated(known, prompt, cached, candidates, thoughts, has_text)
    return known


@given(events, st.booleans())
def test_whatever_is_told_can_be_stored_and_counted(told: list[object], has_text: bool) -> None:
    known = noted(told, has_text)

    if known is None:
        return
    counts = [known.prompt, known.cached, known.candidates, known.thoughts]
    assert all(count is None or (type(count) is int and count >= 0) for count in counts)
    assert sum(count or 0 for count in (known.prompt, known.candidates, known.thoughts)) < INTEGER_OF_POSTGRES
    assert (known.cached or 0) <= (math.inf if known.prompt is None else known.prompt)
    cost = Prices.load().cost("gemini-2.5-flash", known)
    assert cost
    assert 0 <= cost.usd < 1_000_000


@pytest.mark.parametrize(
    "figure", [-1, 2**31, 2**29, 12.5, "12.5", "", "-3", "\uff11\uff12", True, [], {}, math.nan, math.inf]
)
def test_what_is_no_count_is_not_told(figure: object) -> None:
    assert usage.counts({"promptTokenCount": figure, "candidatesTokenCount": 5}) == {"candidatesTokenCount": 5}


@pytest.mark.parametrize(("figure", "count"), [(0, 0), (12, 12), (12.0, 12), ("12", 12), (2**29 - 1, 2**29 - 1)])
def test_a_count_in_any_spelling(figure: object, count: int) -> None:
    assert usage.counts({"promptTokenCount": figure}) == {"promptTokenCount": count}


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ([{"promptTokenCount": 10, "candidatesTokenCount": 1}, {"promptTokenCount": 10}], Usage(10, 0, 1, 0)),
        ([{"promptTokenCount": 10, "candidatesTokenCount": 5}, {"cachedContentTokenCount": 4}], Usage(10, 4, 5, 0)),
        (
            [{"candidatesTokenCount": 5, "thoughtsTokenCount": 7}, {"candidatesTokenCount": 6}],
            Usage(None, None, 6, 7),
        ),
        ([{"promptTokenCount": 10}, {"promptTokenCount": -1}], Usage(10, 0, None, None)),
        ([{"promptTokenCount": 1000, "cachedContentTokenCount": 5000}], Usage(1000, 1000)),
        ([{"cachedContentTokenCount": 5000}], Usage(None, 5000)),
        ([{"totalTokenCount": 30}], None),
        ([{}], None),
        ([None, "x", 7, []], None),
    ],
)
def test_what_is_not_told_again_stays_and_what_is_never_told_is_unknown(
    told: list[object], known: Usage | None
) -> None:
    assert noted(told) == known


def test_before_the_first_word_an_answer_that_is_not_counted_has_no_tokens() -> None:
    """Google's JSON leaves out zeros: a filtered prompt, or a limit that went into thoughts."""
    assert noted([{"promptTokenCount": 10}], has_text=False) == Usage(10, 0, 0, 0)
    assert noted([{"thoughtsTokenCount": 7}], has_text=False) == Usage(None, None, None, 7)


@given(st.text(st.characters() | st.sampled_from("\x00\ud83d\ude00\x1b\n\u202e")) | st.integers() | st.none())
def test_a_model_version_can_be_stored_sent_and_printed(told: object) -> None:
    version = usage.model_version(told)

    if version is not None:
        assert 0 < len(version) <= usage.LONGEST_VERSION
        assert version.isprintable()
        json.dumps(version, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("gemini-3.5-flash-lite", "gemini-3.5-flash-lite"),
        ("models/x\x00", "models/x"),
        ("x\ud83d", "x"),
        ("x" * 1000, "x" * 100),
        ("\x00", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_a_model_version(told: object, version: str | None) -> None:
    assert usage.model_version(told) == version


counts = st.none() | st.integers()


@given(counts, counts, counts, counts, st.none() | st.decimals(allow_nan=False, allow_infinity=False))
def test_no_figure_makes_a_metric_raise(
    prompt: int | None, cached: int | None, candidates: int | None, thoughts: int | None, cost: Decimal | None
) -> None:
    call = Call("chat-1", model_requested="of the figures")
    call.prompt_tokens, call.cached_tokens = prompt, cached
    call.candidate_tokens, call.thought_tokens, call.cost_usd = candidates, thoughts, cost

    metrics.call_ended(call, FinishReason.STOP)
