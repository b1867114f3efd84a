"""What is wrong in Realtime, or in what it is told."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.check_command import Check, lost_broadcasts, of, planted, the_problem, told
from tests.support.database import Connection
from tests.support.gateway import gateway
from tests.support.house import FAULTS, UNLIKE_LOCAL
from worker.local.settings import Ports
from worker.local.stack import Stack
from worker.local.supabase.passwords import SUPERUSER


def test_realtime_is_down(check: Check, whole_house: Stack) -> None:
    whole_house.realtime.stop()
    try:
        result = check()
    finally:
        whole_house.realtime.start()

    assert the_problem(result).startswith("Realtime cannot be subscribed to.")


@pytest.fixture
def realtimes_own(whole_house: Stack) -> Iterator[Connection]:
    """Who may spoil what is Realtime's."""
    with psycopg.connect(whole_house.postgres.url(SUPERUSER), autocommit=True, row_factory=dict_row) as connection:
        yield connection


PUBLICATION = "supabase_realtime_messages_publication"


@pytest.mark.parametrize(
    ("misdeed", "undo", "words"),
    [
        pytest.param(
            f"alter publication {PUBLICATION} drop table realtime.messages",
            f"alter publication {PUBLICATION} add table realtime.messages",
            f"The publication {PUBLICATION} has no inserts of realtime.messages: nobody hears what is sent.",
            id="Realtime is not told what the database sends",
        ),
        pytest.param(
            "alter publication supabase_realtime set (publish = 'delete')",
            "alter publication supabase_realtime set (publish = 'insert, update, delete, truncate')",
            "The publication supabase_realtime was altered: it has no insert and no update.",
            id="row changes are not told",
        ),
    ],
)
def test_a_publication_was_altered(
    check: Check, realtimes_own: Connection, misdeed: str, undo: str, words: str
) -> None:
    with planted(realtimes_own, misdeed, undo):
        result = check()

    assert the_problem(result).startswith(words)
    assert "A broadcast like the worker's arrived." in told(result[1], "ok")


def test_a_publication_is_missing(check: Check, database: Connection) -> None:
    with planted(
        database,
        "alter publication supabase_realtime rename to elsewhere",
        "alter publication elsewhere rename to supabase_realtime",
    ):
        result = check()

    assert the_problem(result) == (
        "There is no publication supabase_realtime: plain postgres_changes hear nothing. "
        "Run: create publication supabase_realtime for table public.chat_messages, public.chat_replies;"
    )


@pytest.mark.parametrize(
    ("misdeed", "undo", "words"),
    [
        pytest.param(
            f"drop table realtime.messages_{datetime.now(UTC):%Y_%m_%d}",
            "select realtime.make_partitions()",
            "realtime.messages takes nothing that the database sends: it has no partition for today.",
            id="a partition is missing",
        ),
        pytest.param(
            """create function public.refuse() returns trigger language plpgsql as
               'begin raise sqlstate ''53100''; end';
               create trigger refuse before insert on realtime.messages
               for each row execute function public.refuse()""",
            "drop trigger refuse on realtime.messages; drop function public.refuse()",
            "realtime.messages takes nothing that the database sends: the disk is full.",
            id="it cannot be written",
        ),
    ],
)
def test_nothing_that_the_database_sends_is_stored(
    check: Check, realtimes_own: Connection, misdeed: str, undo: str, words: str
) -> None:
    """Realtime lets nobody join a private channel then, either: it tries the policies by writing there."""
    with planted(realtimes_own, misdeed, undo):
        status, findings = check()

    stored, joined = told(findings, "problem")
    assert status == 1
    assert stored.startswith(words)
    assert joined.startswith("Realtime cannot be subscribed to")


def test_what_the_database_sends_reaches_nobody(check: Check, whole_house: Stack) -> None:
    """Everything is as it should be, as far as the database knows."""
    with lost_broadcasts(whole_house):
        result = check()

    assert the_problem(result).startswith("A wake-up from the database did not arrive within 5 s.")
    assert "A broadcast like the worker's arrived." in told(result[1], "ok")


@pytest.fixture(scope="module")
def cold_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Another project, which rests as soon as nobody is connected, and allows private channels only."""
    realtime = {
        "REALTIME_REPLICATION_START_MS": "8000",
        "REALTIME_COLD_AFTER_MS": "1",
        "REALTIME_PRIVATE_ONLY": "true",
        **FAULTS,
    }
    directory = tmp_path_factory.mktemp("cold")
    with Stack(
        directory,
        ports=Ports.free(),
        worker=False,
        web=False,
        model=False,
        durable=False,
        realtime_environment=realtime,
    ) as stack:
        yield stack


def test_a_cold_project_is_no_problem(check: Check, cold_project: Stack) -> None:
    """It joins at once, and loses what the database sends until it reads it."""
    status, findings = check(**of(cold_project))

    assert (status, told(findings, "problem", "warning")) == (0, [])
    assert "A wake-up from the database arrived." in told(findings, "ok")
    assert "Only private channels are allowed." in told(findings, "ok")


def test_a_cold_project_that_stays_deaf_is_one(check: Check, cold_project: Stack) -> None:
    with lost_broadcasts(cold_project):
        result = check(**of(cold_project))

    assert the_problem(result).startswith("A wake-up from the database did not arrive within 5 s.")


def test_public_channels_on_a_project_that_is_not_local(check: Check, whole_house: Stack) -> None:
    with gateway(whole_house.ports.api, host=UNLIKE_LOCAL) as elsewhere:
        _, findings = check(SUPABASE_URL=elsewhere)

    [warning] = told(findings, "warning")
    assert warning.startswith("Public channels are allowed.")
