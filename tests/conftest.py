"""One local stack for the whole run. Tests keep apart by making their own users and chats in it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support import limits
from tests.support.database import Connection
from tests.support.holder import Holder
from tests.support.people import People
from worker.local.settings import Ports
from worker.local.stack import Stack
from worker.network import proxies

proxies.settle()  # behind one, the tests' own clients must not ask it for this machine


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Postgres, the API and Realtime. No worker: a test is the worker itself, or starts one."""
    directory: Path = tmp_path_factory.mktemp("stack")
    with Stack(
        directory,
        ports=Ports.free(),
        worker=False,
        web=False,
        model=False,
        durable=False,
        # A refusal takes people five seconds.
        realtime_environment={"REALTIME_CHANNEL_ERROR_BACKOFF_MS": "50"},
    ) as running:
        limits.take_off(running.environment["DATABASE_URL"])
        yield running


@pytest.fixture(scope="session")
def database_url(stack: Stack) -> str:
    return stack.environment["DATABASE_URL"]


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    """The operator's connection: `postgres`, as the dashboard has it, each statement on its own."""
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def people(stack: Stack, database: Connection) -> Iterator[People]:
    with People(stack.environment, database) as everybody:
        yield everybody


@pytest.fixture
def quiet(database: Connection) -> None:
    """Nobody's replies are waiting, and no worker lives: for tests that claim whatever is due."""
    database.execute("delete from auth.users")
    database.execute("delete from private.workers")


@pytest.fixture
def no_figures(database: Connection) -> None:
    """Nothing was ever asked or called: for tests that read what is summed over all users."""
    database.execute(
        """truncate public.external_api_call_logs, private.uncounted_calls, private.uncounted_replies,
        private.call_counts, private.reply_counts, private.user_day_counts, private.usage_spent"""
    )


@pytest.fixture
def make_holder(database_url: str) -> Iterator[Callable[[], Holder]]:
    """Workers, as many as a test wants."""
    with ExitStack() as holders:
        yield lambda: holders.enter_context(Holder(database_url))
