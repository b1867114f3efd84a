"""A release beside a claim of the same worker."""

from typing import Any

import psycopg
import pytest

from tests.support.database import Connection, one_row
from tests.support.holder import MakeHolder
from tests.support.people import People
from tests.support.side_by_side import (
    deaths_of,
    hurry,
    in_background,
    is_registered,
    open_work,
    status_of,
)

pytestmark = pytest.mark.usefixtures("quiet")


def test_a_release_waits_for_a_claim_under_way_and_frees_what_it_took(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    worker.register()
    with psycopg.connect(database_url, autocommit=True) as releasing:
        releasing.execute("set role service_role")

        def release() -> dict[str, Any]:
            row = one_row(releasing.execute("select public.release_replies(%s)", [worker.id]))
            return dict(row[0])

        worker.connection.autocommit = False
        assert len(worker.claim_numbered(1)["replies"]) == 1
        with in_background(releasing, release, database) as released:
            worker.connection.commit()
            assert released.result(10) == {"released": 1, "left": 0}
    worker.connection.autocommit = True
    assert (status_of(database, question), is_registered(database, worker)) == ("pending", False)
    assert deaths_of(database, question) == 0


def test_a_claim_of_a_worker_that_was_released_takes_nothing(
    people: People, database: Connection, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    worker.register()
    worker.release()
    assert worker.claim_numbered(1) == {"alive": False, "replies": [], "next_due_in_ms": None, "refused": {}}
    assert worker.beat()["alive"] is False
    assert not is_registered(database, worker)
    assert status_of(database, question) == "pending"


def test_a_claim_during_its_workers_release_takes_nothing(
    people: People, database: Connection, database_url: str, make_holder: MakeHolder
) -> None:
    question, worker = people.ask(people.make_chat()), make_holder()
    worker.register()
    hurry(worker)
    with open_work(database_url) as releasing:
        releasing.execute("set role service_role")
        releasing.execute("select public.release_replies(%s)", [worker.id])
        assert worker.claim_numbered(1)["replies"] == []
        releasing.commit()
    assert status_of(database, question) == "pending"
