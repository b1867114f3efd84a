"""Which plan holds, and what chat_usage says of it."""

from typing import Any

import httpx
import psycopg
import pytest

from tests.support import limits
from tests.support.people import Chat, People, User
from tests.support.quotas import HELD, ask, ends_with_its_period, refusal

pytestmark = pytest.mark.usefixtures("quiet")


def plan_of(database: Any, user: User) -> str:
    return str(database.execute("select name from private.plan_of(%s)", [user.id]).fetchone()["name"])


@pytest.mark.parametrize(
    ("since", "until", "holds"),
    [("-1 hour", None, True), ("-1 hour", "1 hour", True), ("-2 hours", "-1 hour", False), ("1 hour", None, False)],
)
def test_a_plan_holds_while_it_holds_and_else_the_default_one_does(
    database: Any, people: People, since: str, until: str | None, holds: bool
) -> None:
    user = people.make_user()
    assert plan_of(database, user) == limits.WITHOUT_LIMITS
    database.execute(
        """insert into public.user_plans (user_id, plan, since, until)
        values (%s, 'pro', now() + %s::interval, now() + %s::interval)""",
        [user.id, since, until],
    )
    assert plan_of(database, user) == ("pro" if holds else limits.WITHOUT_LIMITS)


def test_a_new_project_has_the_free_plan_and_an_operator_takes_its_limits_off(
    database: Any, chat: Chat, owner: httpx.Client
) -> None:
    row = database.execute(
        "select column_default from information_schema.columns where (table_name, column_name)"
        " = ('chat_settings', 'default_plan')"
    ).fetchone()
    assert row["column_default"].startswith("'free'")
    free = database.execute("select * from public.plans where name = 'free'").fetchone()
    assert (free["questions_per_hour"], free["questions_per_day"], free["tokens_per_day"]) == (60, 300, 2_000_000)
    name = limits.put_on(database, chat.user, questions_per_hour=0)
    assert refusal(ask(owner, chat))["limit"] == "questions_per_hour"
    database.execute("update public.plans set questions_per_hour = null where name = %s", [name])
    assert ask(owner, chat).status_code == 201


@pytest.mark.parametrize(
    "limit",
    [
        *({"questions_per_minute": -1}, {"questions_per_hour": -1}, {"questions_per_day": -1}, {"calls_per_day": -1}),
        *({"tokens_per_day": -1}, {"active_chats": -1}, {"chat_changes_per_minute": -1}, {"waiting_at_once": -1}),
        *({"replies_at_once": 0}, {"versions_per_answer": 21}, {"longest_message": 4001}),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(database: Any, people: People, limit: dict[str, int]) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        limits.put_on(database, people.make_user(), **limit)


def test_the_settings_cannot_be_deleted(database: Any) -> None:
    """Without them there would be no default plan, no cap and no pause: nothing would limit anybody."""
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        database.execute("delete from public.chat_settings")


def test_usage_says_what_is_left_of_each_limit(
    people: People, database: Any, chat: Chat, owner: httpx.Client
) -> None:
    name = limits.put_on(database, chat.user, questions_per_day=3, tokens_per_day=HELD + 1, active_chats=5)
    assert ask(owner, chat).status_code == 201
    answer = owner.post("/rpc/chat_usage", json={}).json()
    assert answer["plan"] == name
    said = {each["limit"]: each for each in answer["limits"]}
    assert set(said) == {
        *("questions_per_minute", "questions_per_hour", "questions_per_day", "calls_per_day", "tokens_per_day"),
        *("waiting_at_once", "active_chats", "chat_changes_per_minute"),
    }
    figures = {each: [said[each][name] for name in ("most", "used", "held", "left")] for each in said}
    assert figures == {
        "questions_per_minute": [None, 1, 0, None],
        "questions_per_hour": [None, 1, 0, None],
        "questions_per_day": [3, 1, 0, 2],
        "calls_per_day": [None, 1, 0, None],
        "tokens_per_day": [HELD + 1, 0, HELD, 1],
        "waiting_at_once": [None, 1, 0, None],
        "active_chats": [5, 1, 0, 4],
        "chat_changes_per_minute": [None, 0, 0, None],
    }
    assert ends_with_its_period(said["questions_per_day"]["resets_at"], "questions_per_day")
    assert said["waiting_at_once"]["resets_at"] is None
