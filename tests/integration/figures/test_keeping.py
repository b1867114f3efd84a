"""How figures are kept: for how long, how exactly, and holding up nobody."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.documents import examples
from tests.support.holder import Holder
from tests.support.people import Chat, People
from tests.support.side_by_side import as_user, fall_silent, hurry, open_work
from tests.support.sums import rows

pytestmark = pytest.mark.usefixtures("quiet", "no_figures")

MakeHolder = Callable[[], Holder]


@settings(
    derandomize=True,
    max_examples=150,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.integers(50, 560_000), min_size=1, max_size=60))
def test_percentiles_are_right_to_within_a_tenth(database: Any, durations: list[int]) -> None:
    row = database.execute(
        """with calls as (select unnest(%s::integer[]) as took),
          buckets as (select private.duration_bucket(took) as bucket, count(*) as calls from calls group by 1)
        select (select private.percentiles(array_agg(bucket), array_agg(calls)) from buckets) as told,
          (select percentile_disc(array[0.5, 0.95, 0.99]) within group (order by took) from calls) as exact""",
        [durations],
    ).fetchone()
    assert row["told"] == pytest.approx(row["exact"], rel=0.1, abs=1)


def test_a_user_who_holds_a_command_holds_up_nobody_elses(
    database: Any, database_url: str, people: People, make_holder: MakeHolder
) -> None:
    """Both close a call that counts in the same sum; and the sum is added up while one of them is still open."""
    worker, dead = make_holder(), make_holder()
    slow, quick = people.make_chat(), people.make_chat()
    questions = [people.ask(slow), people.ask(quick)]
    dead.beat(*({**held, "model": "gemini-test"} for held in dead.claim()))
    fall_silent(database, dead)
    hurry(worker)
    lost = "select calls from private.call_counts where span = 'day' and outcome = 'lost'"
    with as_user(database_url, slow.user) as first, as_user(database_url, quick.user) as second:
        first.execute("select public.cancel_reply(%s)", [questions[0]])
        second.execute("select public.cancel_reply(%s)", [questions[1]])
        second.commit()
        assert worker.reconcile() is not None
        assert rows(database, lost) == {(1,)}
        first.commit()
    assert worker.reconcile() is not None
    assert rows(database, lost) == {(2,)}


def test_an_operator_who_holds_a_sum_holds_up_nobody(
    database: Any, database_url: str, people: People, make_holder: MakeHolder
) -> None:
    """What cannot be added up waits for the next minute, and is in the figures all the same."""
    worker = make_holder()
    chat = people.make_chat()
    for held in (False, True):
        people.ask(chat)
        [reply] = worker.claim()
        assert worker.complete(reply)
        with open_work(database_url) as operator:
            if held:
                operator.execute("select from private.call_counts for update")
                hurry(worker)
            assert worker.reconcile() is not None
    assert rows(database, "select calls from private.call_counts where span = 'day'") == {(1,)}
    assert rows(database, "select calls from analytics.cost_by_day") == {(2,)}
    assert rows(database, "select count(*) from private.uncounted_calls") == {(1,)}

    worker.reconcile()
    assert rows(database, "select calls from private.call_counts where span = 'day'") == {(2,)}
    assert rows(database, "select calls from analytics.cost_by_day") == {(2,)}


def test_hours_are_kept_for_eight_days_and_days_for_good(
    database: Any, people: People, make_holder: MakeHolder
) -> None:
    worker = make_holder()
    people.ask(people.make_chat())
    [reply] = worker.claim()
    assert worker.complete(reply)
    database.execute("update public.external_api_call_logs set started_at = started_at - interval '9 days'")
    worker.reconcile()
    assert rows(database, "select span, calls from private.call_counts where outcome = 'ok' and calls > 0") == {
        ("day", 1)
    }


def test_a_user_can_be_taken_out_of_the_figures_and_they_stay(
    database: Any, people: People, chat: Chat, make_holder: MakeHolder
) -> None:
    """By the statement of supabase/README.md, of what was added up and of what was not."""
    [example] = examples("What remains of what is deleted", "sql")
    [statement] = re.findall(r"^(with nobody as .*?;)$", example, re.DOTALL | re.MULTILINE)
    worker = make_holder()
    for _ in range(2):
        worker.reconcile()
        people.ask(chat)
        [reply] = worker.claim()
        assert worker.complete(reply)
    before = rows(database, "select * from analytics.daily_use")
    database.execute("delete from auth.users")
    database.execute(statement.replace("<user id>", str(chat.user.id)))

    assert rows(database, "select * from analytics.daily_use") == before
    assert rows(database, "select calls from analytics.cost_by_user") == {(2,)}
    worker.reconcile()
    assert rows(database, "select * from analytics.daily_use") == before
    known = "select user_id from private.use_by_user_and_day union select user_id from public.external_api_call_logs"
    [(somebody,)] = rows(database, known)
    assert somebody != chat.user.id
