"""Sums say what the rows say, whatever happens in whichever order; whoever adds to them holds up nobody."""

import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.documents import examples
from tests.support.holder import CALL, Holder
from tests.support.people import Chat, People
from tests.support.side_by_side import as_user, fall_silent, hurry, open_work, reply_of
from worker.local.stack import ROOT

pytestmark = pytest.mark.usefixtures("quiet", "no_figures")

MakeHolder = Callable[[], Holder]

TIMED = {**CALL, "first_token_ms": 320, "latency_ms": 4100}
UNTOLD = {"model_requested": "gemini-test"}
ESTIMATED = {**UNTOLD, "cost_usd": 0.00007, "cost_is_estimated": True}
CALLS: list[dict[str, Any]] = [TIMED, UNTOLD, ESTIMATED, {}]

MEASURES = """count(*) as calls, count(*) filter (where l.retry > 0) as retries,
    count(*) filter (where l.retry = 1) as replies_retried,
    coalesce(sum(l.prompt_tokens), 0) as prompt_tokens, coalesce(sum(l.cached_tokens), 0) as cached_tokens,
    coalesce(sum(l.candidate_tokens), 0) as candidate_tokens, coalesce(sum(l.thought_tokens), 0) as thought_tokens,
    coalesce(sum(l.cost_usd), 0) as cost_usd,
    count(*) filter (where l.cost_is_estimated) as calls_with_estimated_cost,
    count(*) filter (where l.cost_usd is null and (l.prompt_tokens is not null or l.first_token_ms is not null
      or l.outcome not in ('rate_limited', 'model_overloaded', 'model_unavailable', 'prompt_too_long')))
      as calls_without_price"""
NAMES = (
    *("calls", "retries", "replies_retried", "prompt_tokens", "cached_tokens", "candidate_tokens", "thought_tokens"),
    *("cost_usd", "calls_with_estimated_cost", "calls_without_price"),
)
OF_THE_LEDGER = f"""select date_trunc(%s, l.started_at, 'UTC') as starts_at,
      coalesce(l.model_version, l.model_requested, 'unknown') as model, l.outcome, {MEASURES}
    from public.external_api_call_logs l where l.outcome not in ('claimed', 'started') group by 1, 2, 3"""
SUMMED = f"""select starts_at, model, outcome, {", ".join(f"sum({name}) as {name}" for name in NAMES)}
    from private.calls_by_span where span = %s group by 1, 2, 3
    having {" or ".join(f"sum({name}) <> 0" for name in NAMES)}"""
USERS_OF_THE_LEDGER = """select (l.started_at at time zone 'UTC')::date as day, l.user_id, count(*) as calls,
      coalesce(sum(coalesce(l.prompt_tokens, 0) + coalesce(l.candidate_tokens, 0) + coalesce(l.thought_tokens, 0)), 0)
        as tokens, coalesce(sum(l.cost_usd), 0) as cost_usd
    from public.external_api_call_logs l where l.outcome not in ('claimed', 'started') group by 1, 2"""
USERS_SUMMED = """select day, user_id, sum(calls) as calls, sum(tokens) as tokens, sum(cost_usd) as cost_usd
    from private.use_by_user_and_day group by 1, 2 having sum(calls) <> 0"""
BUCKETS_OF_THE_LEDGER = """select private.duration_bucket(l.latency_ms) as bucket, count(*) as calls
    from public.external_api_call_logs l where l.outcome = 'ok' and l.latency_ms is not null group by 1"""
BUCKETS_SUMMED = """select bucket, sum(latency_calls) as calls from private.latencies_by_span
    where span = %s group by 1 having sum(latency_calls) <> 0"""
UNFINISHED = ("pending", "answering")

ACTS = st.sampled_from(
    [
        *("ask", "claim", "name", "complete", "stop", "fail", "fail for now", "next attempt", "give back", "bury"),
        *("late", "late", "cancel", "again", "regenerate", "delete", "add up", "age"),
    ]
)
STEPS = st.lists(st.tuples(ACTS, st.integers(0, 11), st.sampled_from(CALLS)), min_size=10, max_size=40)


class House:
    """Two workers and three chats, to which the same things happen as to any; what is summed is watched."""

    def __init__(self, database: Any, people: People, make_holder: MakeHolder) -> None:
        self.database, self.people, self.make_holder = database, people, make_holder
        self.chats = [people.make_chat() for _ in range(3)]
        self.workers = [make_holder(), make_holder()]
        self.held: list[tuple[Holder, dict[str, Any]]] = []
        self.lost: list[tuple[Holder, dict[str, Any]]] = []
        self.wanted: Counter[str] = Counter()
        self._seen: dict[UUID, dict[str, Any]] = {}

    def act(self, what: str, which: int, call: dict[str, Any]) -> None:
        worker = self.workers[which % 2]
        match what:
            case "ask" if len(self._seen) < 12:
                self.people.ask(self.chats[which % len(self.chats)])
            case "claim":
                self.held += [(worker, reply) for reply in worker.claim(most=3)]
            case "bury":
                fall_silent(self.database, worker)
                self.workers[which % 2] = self.make_holder()
                self.workers[1 - which % 2].claim(most=0)
                self._lose(lambda holder: holder is worker)
            case "late" if self.lost:
                holder, reply = self.lost[which % len(self.lost)]
                holder.complete(reply, call={**call, **self._whose(reply)} if call else {})
            case "cancel":
                self._by_hand("cancelled", which, UNFINISHED)
            case "again":
                self._by_hand("pending", which, ("failed", "cancelled"))
            case "regenerate":
                self._by_hand("pending', version = version + '1", which, ("completed",))
            case "delete":
                chat = self.chats[which % len(self.chats)]
                self.database.execute("delete from public.chat_sessions where id = %s", [chat.session])
                self.chats[which % len(self.chats)] = self.people.make_chat()
            case "add up":
                self.database.execute("select private.count_up(%s)", [1 + which])
            case "age":
                self.database.execute(
                    """update public.external_api_call_logs set started_at = started_at - %s * interval '7 hours'
                    where ctid = (select ctid from public.external_api_call_logs order by started_at limit 1)""",
                    [which],
                )
            case _ if self.held:
                self._settle(what, which, call)
        self._watch()

    def _settle(self, what: str, which: int, call: dict[str, Any]) -> None:
        holder, reply = self.held[which % len(self.held)]
        if what == "name":
            holder.beat({**reply, "model": "gemini-test"}, known=0)
            return
        if what == "next attempt":
            attempt = holder.next_attempt(reply, "model_overloaded", call=call)
            if attempt is not None:
                reply["attempt"] = attempt
                return
        self.held.remove((holder, reply))
        self.lost.append((holder, reply))  # and now and then it says so once more
        match what:
            case "complete":
                holder.complete(reply, call=call)
            case "stop":
                holder.complete(reply, "", "cancelled", call=call)
            case "fail":
                holder.fail(reply, "timed_out", call=call)
            case "fail for now":
                holder.fail(reply, "rate_limited", retry_in=0, call=call)
            case "give back":
                holder.give_back(reply)

    def _lose(self, of: Callable[[Holder], bool]) -> None:
        self.lost += [each for each in self.held if of(each[0])]
        self.held = [each for each in self.held if not of(each[0])]

    def _by_hand(self, change: str, which: int, among: tuple[str, ...]) -> None:
        found = [each for each in self._seen.values() if each["status"] in among]
        if found:
            self.database.execute(
                f"update public.chat_replies set status = '{change}' where message_id = %s",
                [found[which % len(found)]["message_id"]],
            )

    def _whose(self, reply: dict[str, Any]) -> dict[str, str]:
        return {name: reply[name] for name in ("session_id", "user_id")}

    def _watch(self) -> None:
        """What becomes of replies, seen from outside."""
        now = {row["message_id"]: row for row in self.database.execute("select * from public.chat_replies")}
        for message, row in now.items():
            before = self._seen.get(message)
            if before is None:
                self.wanted["asked"] += 1
            elif before["status"] in UNFINISHED and row["status"] not in UNFINISHED:
                self.wanted[row["status"]] += 1
            elif before["status"] not in UNFINISHED and row["status"] in UNFINISHED:
                self.wanted["asked_again" if before["version"] == row["version"] else "regenerated"] += 1
        self._seen = now


def rows(database: Any, statement: str, *values: object) -> set[tuple[Any, ...]]:
    return {tuple(row.values()) for row in database.execute(statement, values).fetchall()}


def assert_sums_are_right(database: Any, house: House) -> None:
    for span in ("hour", "day"):
        assert rows(database, SUMMED, span) == rows(database, OF_THE_LEDGER, span)
        assert rows(database, BUCKETS_SUMMED, span) == rows(database, BUCKETS_OF_THE_LEDGER)
        asked = "select what, sum(replies) from private.replies_by_span where span = %s group by what"
        assert rows(database, asked, span) == set(house.wanted.items())
    assert rows(database, USERS_SUMMED) == rows(database, USERS_OF_THE_LEDGER)


@settings(
    derandomize=True,
    max_examples=40,
    deadline=None,
    phases=[Phase.generate],  # to shrink what fails takes minutes
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_sums_say_what_the_rows_say(
    database: Any, people: People, make_holder: MakeHolder, steps: list[tuple[str, int, dict[str, Any]]]
) -> None:
    """Whatever order calls are opened, closed, lost, closed late and closed again in, and entries are added up in."""
    database.execute("delete from auth.users")
    database.execute("delete from private.workers")
    for table in ("public.external_api_call_logs", "private.uncounted_calls", "private.uncounted_replies"):
        database.execute(f"truncate {table}")
    database.execute(
        "truncate private.call_counts, private.reply_counts, private.user_day_counts, private.usage_spent"
    )
    house = House(database, people, make_holder)
    for what, which, call in [("ask", 0, {}), ("ask", 1, {}), ("claim", 0, {}), *steps]:
        house.act(what, which, call)
    assert_sums_are_right(database, house)

    database.execute("select private.count_up()")
    left = rows(
        database,
        "select count(*) from private.uncounted_calls union all select count(*) from private.uncounted_replies",
    )
    assert left == {(0,)}
    assert_sums_are_right(database, house)


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


def test_an_answer_that_is_regenerated_has_not_waited_since_its_question(
    database: Any, people: People, chat: Chat, make_holder: MakeHolder
) -> None:
    worker = make_holder()
    question = people.ask(chat)
    [reply] = worker.claim()
    assert worker.complete(reply)
    database.execute(
        """update public.chat_replies set created_at = created_at - interval '3 days',
        pending_since = pending_since - interval '3 days', finished_at = finished_at - interval '3 days'"""
    )
    with people.signed_in(chat.user) as user:
        user.post("/rpc/regenerate_reply", json={"message_id": str(question)}).raise_for_status()
    [reply] = worker.claim()
    assert reply["waiting_ms"] < 3_600_000
    assert worker.complete(reply)

    row = reply_of(database, question)
    assert (row["finished_at"] - row["created_at"]).days == 3
    assert (row["finished_at"] - row["pending_since"]).total_seconds() < 3600
    [slowest] = database.execute((ROOT / "supabase/snippets/slowest_replies.sql").read_text()).fetchall()
    assert slowest["message_id"] == question
    assert slowest["whole"].total_seconds() < 3600


@pytest.fixture
def chat(people: People) -> Chat:
    return people.make_chat()


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_waiting_begins_anew_with_a_retry_and_not_with_a_claim_that_ends(
    database: Any, people: People, chat: Chat, make_holder: MakeHolder, outcome: str
) -> None:
    worker = make_holder()
    question = people.ask(chat)
    asked = reply_of(database, question)["pending_since"]
    [reply] = worker.claim()
    worker.give_back(reply)
    [reply] = worker.claim()
    assert worker.fail(reply, "model_overloaded", retry_in=0)
    assert reply_of(database, question)["pending_since"] == asked
    worker.claim()
    assert reply_of(database, question)["pending_since"] == asked

    database.execute(f"update public.chat_replies set status = '{outcome}' where status = 'answering'")
    with people.signed_in(chat.user) as user:
        user.post("/rpc/retry_reply", json={"message_id": str(question)}).raise_for_status()
    assert reply_of(database, question)["pending_since"] > asked


def test_an_attempt_began_when_it_began(database: Any, people: People, chat: Chat, make_holder: MakeHolder) -> None:
    """Not when another attempt of the same claim, or another worker's claim, did."""
    worker, other = make_holder(), make_holder()
    question = people.ask(chat)
    [reply] = worker.claim()
    first = reply_of(database, question)["started_at"]
    reply["attempt"] = worker.next_attempt(reply)
    second = reply_of(database, question)["started_at"]
    fall_silent(database, worker)
    assert len(other.claim()) == 1
    third = reply_of(database, question)["started_at"]
    assert first < second < third
