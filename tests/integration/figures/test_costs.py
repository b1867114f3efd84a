"""A cost is told, estimated or unknown; a call is counted once."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.support.holder import CALL, Holder
from tests.support.people import People
from tests.support.side_by_side import fall_silent
from tests.support.sums import rows

pytestmark = pytest.mark.usefixtures("quiet", "no_figures")

MakeHolder = Callable[[], Holder]

UNTOLD = {"model_requested": "gemini-test"}
ESTIMATED = {**UNTOLD, "cost_usd": 0.00007, "cost_is_estimated": True}


def test_a_call_that_was_lost_and_is_told_later_is_counted_once(
    database: Any, people: People, make_holder: MakeHolder
) -> None:
    worker, other = make_holder(), make_holder()
    chat = people.make_chat()
    people.ask(chat)
    [reply] = worker.claim()
    worker.beat({**reply, "model": "gemini-test"})
    fall_silent(database, worker)
    [again] = other.claim()
    other.reconcile()
    cost = "select calls, tokens, cost_usd, calls_without_price from analytics.cost_by_user"
    assert rows(database, cost) == {(1, 0, 0, 1)}

    for call in (CALL, CALL, {}):  # and once more, and bare, because the answer got lost
        assert not worker.complete(reply, call=call)
        assert rows(database, cost) == {(1, 125, Decimal("0.0001"), 0)}
        other.reconcile()
    assert other.complete(again)
    assert rows(database, cost) == {(2, 250, Decimal("0.0002"), 0)}
    assert rows(database, "select calls, retries, replies_retried from analytics.retries") == {(2, 1, 1)}


def test_an_estimate_fills_a_gap_and_never_takes_the_place_of_what_was_told(
    database: Any, people: People, make_holder: MakeHolder
) -> None:
    worker, other = make_holder(), make_holder()
    people.ask(people.make_chat())
    [reply] = worker.claim()
    worker.beat({**reply, "model": "gemini-test"})
    fall_silent(database, worker)
    other.claim(most=0)

    told = "select cost_usd, cost_is_estimated from public.external_api_call_logs"
    summed = "select cost_usd, calls_with_estimated_cost, calls_without_price from analytics.cost_by_day"
    guess, cost = Decimal("0.00007"), Decimal("0.0001")
    for call, row, total in (
        (UNTOLD, (None, False), (0, 0, 1)),
        (ESTIMATED, (guess, True), (guess, 1, 0)),
        (UNTOLD, (guess, True), (guess, 1, 0)),
        (CALL, (cost, False), (cost, 0, 0)),
        (ESTIMATED, (cost, False), (cost, 0, 0)),
    ):
        worker.complete(reply, call=call)
        assert rows(database, told) == {row}
        assert rows(database, summed) == {total}


@pytest.mark.parametrize(
    ("outcome", "call", "unknown"),
    [
        ("timed_out", UNTOLD, 1),
        ("internal", UNTOLD, 1),
        ("truncated", UNTOLD, 1),
        ("model_overloaded", UNTOLD, 0),
        ("rate_limited", UNTOLD, 0),
        ("model_overloaded", {**UNTOLD, "first_token_ms": 300}, 1),
        ("model_overloaded", {**UNTOLD, "prompt_tokens": 10}, 1),
        ("timed_out", ESTIMATED, 0),
        ("timed_out", {**UNTOLD, "cost_usd": 0}, 0),
    ],
)
def test_a_cost_that_nobody_knows_is_said_to_be_unknown(
    database: Any, people: People, make_holder: MakeHolder, outcome: str, call: dict[str, Any], unknown: int
) -> None:
    """Unless the model refused before it began: then there was none."""
    worker = make_holder()
    people.ask(people.make_chat())
    [reply] = worker.claim()
    assert worker.fail(reply, outcome, call=call)
    assert rows(database, "select calls, calls_without_price from analytics.cost_by_day") == {(1, unknown)}
    assert rows(database, "select cost_is_unknown from analytics.calls") == {(unknown == 1,)}


def test_a_cost_is_never_negative(database: Any, people: People, make_holder: MakeHolder) -> None:
    worker = make_holder()
    people.ask(people.make_chat())
    [reply] = worker.claim()
    with pytest.raises(psycopg.errors.CheckViolation, match="cost_is_not_negative"):
        worker.complete(reply, call={**CALL, "cost_usd": -0.01})
    assert worker.complete(reply, call={})
