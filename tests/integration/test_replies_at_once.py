"""No more replies of a user are answered at the same time than their plan allows; nobody else waits for more."""

import psycopg
import pytest

from tests.support import limits
from tests.support.database import Connection, one_row
from tests.support.holder import MakeHolder
from tests.support.people import People, User
from tests.support.side_by_side import as_user, hurry, ids, open_work, place_of, uncommitted

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def user(people: People, database: Connection) -> User:
    """Of a plan with two replies at once."""
    user = people.make_user()
    limits.put_on(database, user, replies_at_once=2)
    return user


def ask(people: People, user: User, count: int) -> list[str]:
    """In a chat each, so that each is due."""
    return [str(people.ask(people.make_chat(user))) for _ in range(count)]


def test_what_is_above_the_plan_waits_and_is_due_when_one_ends(
    people: People, user: User, make_holder: MakeHolder
) -> None:
    asked = ask(people, user, 4)
    one, other = make_holder(), make_holder()
    held = one.claim()
    assert [reply["message_id"] for reply in held] == asked[:2]
    assert other.claim() == one.claim() == []
    one.complete(held[0])
    assert ids(other.claim()) == {asked[2]}
    assert other.claim() == []
    one.fail(held[1])
    assert ids(one.claim()) == {asked[3]}


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_one_that_its_user_ends_makes_room(
    people: People, database: Connection, user: User, make_holder: MakeHolder, database_url: str, how: str
) -> None:
    worker = make_holder()
    asked = ask(people, user, 3)
    held = worker.claim()
    assert worker.claim() == []
    with as_user(database_url, user) as connection:
        database.execute("update private.workers set alive_until = now() where id = %s", [worker.id])
        if how == "cancel":
            connection.execute("select public.cancel_reply(%s)", [held[0]["message_id"]])
        else:
            connection.execute("delete from public.chat_sessions where id = %s", [held[0]["session_id"]])
        connection.commit()
    worker.beat(*held[1:], known=worker.claims)
    assert ids(worker.claim()) == {asked[2]}


def test_others_do_not_wait_for_what_is_above_the_plan_of_one(
    people: People, user: User, make_holder: MakeHolder
) -> None:
    """Whatever stands before them: a claim passes by what it may not take, and fills its hands."""
    mine = ask(people, user, 30)
    others = [str(people.ask(people.make_chat())) for _ in range(10)]
    worker = make_holder()
    taken = ids(worker.claim(most=20))
    assert taken == {*mine[:2], *others}
    assert worker.claim() == []


def test_a_claim_that_passes_by_many_looks_again_at_once(
    people: People, database: Connection, user: User, make_holder: MakeHolder
) -> None:
    ask(people, user, 60)
    last = str(people.ask(people.make_chat()))
    database.execute("update private.reply_queue set place = 1000 where message_id = %s", [last])
    worker = make_holder()
    answer = worker.claim_all(most=20)
    assert (len(answer["replies"]), answer["next_due_in_ms"]) == (2, 0)
    assert ids(worker.claim(most=20)) == {last}


def test_two_claims_at_once_take_no_more_than_the_plan_allows(
    people: People, user: User, make_holder: MakeHolder
) -> None:
    """The second does not wait, and looks again soon."""
    ask(people, user, 4)
    one, other = make_holder(), make_holder()
    one.register()
    other.register()
    hurry(one, other)
    with uncommitted(one):
        assert len(one.claim_numbered(1, 1)["replies"]) == 1
        seen = other.claim_numbered(1)
        assert (seen["replies"], seen["next_due_in_ms"]) == ([], 500)
    assert len(other.claim_numbered(2)["replies"]) == 1
    assert one.claim_numbered(2)["replies"] == []


def test_what_was_put_off_is_due_by_itself_whatever_was_overlooked(
    people: People, database: Connection, user: User, make_holder: MakeHolder, database_url: str
) -> None:
    """Its row is held when the reply before it ends: that settle waits for nobody."""
    asked = ask(people, user, 3)
    worker = make_holder()
    held = worker.claim()
    assert 14_000 < worker.claim_all()["next_due_in_ms"] <= 15_000
    hurry(worker)
    with open_work(database_url) as operator:
        operator.execute("select from private.reply_queue where message_id = %s for update", [asked[2]])
        assert worker.complete(held[0]) is True
    assert worker.claim() == []
    assert worker.reconcile() == {"mended": 0, "ended": 0, "more": False}
    database.execute("update private.reply_queue set due_at = now() where message_id = %s", [asked[2]])
    assert ids(worker.claim()) == {asked[2]}
    assert place_of(database, asked[2])["over_plan_since"] is None


def test_what_a_user_has_above_their_plan_closes_the_house_to_nobody(
    people: People, database: Connection, user: User, make_holder: MakeHolder
) -> None:
    """It is no sign that more waits than can be answered in time, also at the moment when it is due by itself."""
    ask(people, user, 40)
    worker = make_holder()
    for reply in worker.claim():
        worker.complete(reply)
    for _ in range(3):
        worker.claim(most=20)
    database.execute("update private.reply_queue set waiting_since = now() - interval '2 min', due_at = now()")
    worker.reconcile(max_wait=200)
    assert one_row(database.execute("select refuses_questions from private.reconciler"))["refuses_questions"] is False


def test_the_claim_names_the_models_of_the_plan(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    worker = make_holder()
    chat = people.make_chat()
    people.ask(chat)
    (claimed,) = worker.claim()
    assert claimed["models"] is None
    assert worker.complete(claimed)

    plan = limits.put_on(database, chat.user)
    database.execute("update public.plans set models = '{gemini-small}' where name = %s", [plan])
    people.ask(chat)
    (claimed,) = worker.claim()
    assert claimed["models"] == ["gemini-small"]
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute("update public.plans set models = '{}' where name = %s", [plan])
