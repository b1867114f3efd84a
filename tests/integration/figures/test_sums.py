"""Sums say what the rows say, whatever happens in whichever order."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.holder import CALL, Holder
from tests.support.people import People
from tests.support.side_by_side import fall_silent
from tests.support.sums import rows

pytestmark = pytest.mark.usefixtures("quiet", "no_figures")

MakeHolder = Callable[[], Holder]

UNTOLD = {"model_requested": "gemini-test"}
ESTIMATED = {**UNTOLD, "cost_usd": 0.00007, "cost_is_estimated": True}


TIMED = {**CALL, "first_token_ms": 320, "latency_ms": 4100}
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
