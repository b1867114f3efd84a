"""Nobody is behind all questions of another: claims go by place, and a user's next has a larger one."""

from collections import Counter
from uuid import UUID

import pytest

from tests.support.database import Connection
from tests.support.holder import Holder, MakeHolder
from tests.support.people import People, User
from tests.support.side_by_side import as_user, fall_silent, ids, place_of

pytestmark = pytest.mark.usefixtures("quiet")


def ask_in_chats_of(people: People, user: User, count: int) -> list[UUID]:
    return [people.ask(people.make_chat(user)) for _ in range(count)]


def order_of_claims(holder: Holder, most: int = 1) -> list[str]:
    claimed: list[str] = []
    while replies := holder.claim(most=most):
        claimed += [reply["message_id"] for reply in replies]
        for reply in replies:
            holder.complete(reply)
    return claimed


def test_questions_of_different_users_are_claimed_in_the_order_of_asking(
    people: People, make_holder: MakeHolder
) -> None:
    asked = [str(people.ask(people.make_chat())) for _ in range(6)]
    assert order_of_claims(make_holder()) == asked


def test_a_user_with_a_hundred_questions_delays_the_first_of_each_other_by_one(
    people: People, make_holder: MakeHolder
) -> None:
    many = ask_in_chats_of(people, people.make_user(), 100)
    others = [people.ask(people.make_chat()) for _ in range(10)]
    first = order_of_claims(make_holder())
    assert len(first) == 110
    assert set(first[:11]) == {str(many[0]), *(str(other) for other in others)}
    assert first[11:] == [str(question) for question in many[1:]]


def test_a_claim_of_twenty_takes_the_first_of_each_user_before_the_second_of_any(
    people: People, make_holder: MakeHolder
) -> None:
    users = [people.make_user() for _ in range(5)]
    for user in users:
        ask_in_chats_of(people, user, 6)
    taken = Counter(reply["user_id"] for reply in make_holder().claim(most=20))
    assert taken == Counter({str(user.id): 4 for user in users})


def test_a_newcomer_is_before_the_second_question_of_whoever_was_there_first(
    people: People, make_holder: MakeHolder
) -> None:
    many = ask_in_chats_of(people, people.make_user(), 30)
    worker = make_holder()
    assert ids(worker.claim(most=1)) == {str(many[0])}
    newcomer = people.ask(people.make_chat())
    following = [next(iter(ids(worker.claim(most=1)))) for _ in range(2)]
    assert str(newcomer) in following


def test_a_newcomer_to_a_queue_that_is_all_held_is_next(people: People, make_holder: MakeHolder) -> None:
    many = ask_in_chats_of(people, people.make_user(), 10)
    worker = make_holder()
    assert len(worker.claim(most=10)) == len(many)
    newcomer = people.ask(people.make_chat())
    assert ids(worker.claim(most=1)) == {str(newcomer)}


def test_many_questions_of_one_chat_and_many_chats_of_one_user_are_alike(
    people: People, make_holder: MakeHolder
) -> None:
    chat = people.make_chat()
    for _ in range(10):
        people.ask(chat)
    spread = people.make_user()
    ask_in_chats_of(people, spread, 10)
    worker, turns = make_holder(), list[str]()
    while replies := worker.claim(most=1):
        turns.append(replies[0]["user_id"])
        worker.complete(replies[0])
    for so_far in range(2, 20, 2):
        counted = Counter(turns[:so_far])
        assert abs(counted[str(chat.user.id)] - counted[str(spread.id)]) <= 2, turns


def test_what_was_put_off_holds_up_nobody_and_comes_first_when_it_is_due(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    first, worker = people.ask(people.make_chat()), make_holder()
    worker.give_back(*worker.claim(), due_in=60)
    others = [str(people.ask(people.make_chat())) for _ in range(2)]
    assert ids(worker.claim(most=1)) == {others[0]}
    database.execute("update private.reply_queue set due_at = now() - interval '1 s' where message_id = %s", [first])
    assert ids(worker.claim(most=1)) == {str(first)}


def test_thousands_that_were_put_off_are_not_in_the_way(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    for _ in range(60):
        people.ask(people.make_chat())
    database.execute("update private.reply_queue set due_at = now() + interval '1 hour'")
    due = people.ask(people.make_chat())
    assert ids(make_holder().claim(most=1)) == {str(due)}


def test_a_retry_takes_its_place_among_those_who_wait(
    people: People, database_url: str, database: Connection, make_holder: MakeHolder
) -> None:
    user, worker = people.make_user(), make_holder()
    chat = people.make_chat(user)
    failed = people.ask(chat)
    (claimed,) = worker.claim()
    worker.fail(claimed)
    mine = ask_in_chats_of(people, user, 2)
    other = people.ask(people.make_chat())
    with as_user(database_url, user) as asking:
        asking.execute("select public.retry_reply(%s)", [failed])
        asking.commit()
    assert order_of_claims(worker) == [str(mine[0]), str(other), str(mine[1]), str(failed)]


def test_what_two_workers_died_of_comes_after_everybody_else(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    deadly: UUID = people.ask(people.make_chat())
    before = [str(people.ask(people.make_chat())) for _ in range(2)]
    for _ in range(2):
        dead = make_holder()
        (claimed,) = dead.claim(most=1)
        assert claimed["message_id"] == str(deadly)
        fall_silent(database, dead)
        make_holder().claim(most=0)
    later = [str(people.ask(people.make_chat())) for _ in range(2)]
    assert order_of_claims(make_holder()) == [*before, *later, str(deadly)]


def test_the_first_death_moves_nobody(people: People, database: Connection, make_holder: MakeHolder) -> None:
    """Workers die for many reasons: what was beside the deadly question keeps its place."""
    first, second = people.ask(people.make_chat()), people.ask(people.make_chat())
    dead = make_holder()
    assert ids(dead.claim(most=1)) == {str(first)}
    fall_silent(database, dead)
    assert order_of_claims(make_holder()) == [str(first), str(second)]


@pytest.mark.parametrize("how", ["given back", "released", "not held by its worker"])
def test_what_comes_back_unasked_stands_where_it_stood(people: People, make_holder: MakeHolder, how: str) -> None:
    first, worker = people.ask(people.make_chat()), make_holder()
    (claimed,) = worker.claim()
    other = people.ask(people.make_chat())
    if how == "given back":
        worker.give_back(claimed)
    elif how == "released":
        worker.release()
    else:
        worker.beat(known=1)
    assert order_of_claims(make_holder()) == [str(first), str(other)]


def test_the_places_of_a_user_grow_by_one(people: People, database: Connection) -> None:
    user = people.make_user()
    places = [place_of(database, question)["place"] for question in ask_in_chats_of(people, user, 4)]
    assert places == list(range(places[0], places[0] + 4))


def test_a_second_worker_gets_its_twenty_while_the_claim_of_the_first_is_open(
    people: People, make_holder: MakeHolder
) -> None:
    for _ in range(8):
        ask_in_chats_of(people, people.make_user(), 5)
    one, two = make_holder(), make_holder()
    one.register()
    two.register()
    two.connection.execute("set statement_timeout = 500")
    one.connection.autocommit = False
    first = one.claim(most=20)
    second = two.claim(most=20)
    one.connection.commit()
    one.connection.autocommit = True
    assert (len(first), len(second)) == (20, 20)
    assert not ids(first) & ids(second)


def test_each_user_is_served_alike_while_all_keep_asking(people: People, make_holder: MakeHolder) -> None:
    """One of five has sixty questions, the others always one that waits."""
    greedy = people.make_user()
    ask_in_chats_of(people, greedy, 60)
    chats = [people.make_chat() for _ in range(4)]
    for chat in chats:
        people.ask(chat)
    worker, served = make_holder(), Counter[str]()
    for _ in range(50):
        (reply,) = worker.claim(most=1)
        served[reply["user_id"]] += 1
        worker.complete(reply)
        for chat in chats:
            if reply["session_id"] == str(chat.session):
                people.ask(chat)
    assert max(served.values()) - min(served.values()) <= 2, served
