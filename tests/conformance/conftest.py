"""A project whose Realtime is under test, and raw sockets to it; every test has topics and tables of its own.

Usually it is the stand-in, one stack for all, with pauses and limits that a test need not wait for. If
`CONFORMANCE_SUPABASE_URL` and its like name another project (tests/support/project.py), it is that one, and the tests
of the stand-in's own are left out: those that ask for the fixture `realtime`, also by way of another.
"""

import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import psycopg
import pytest

from tests.support.peer import Peer, socket_url
from tests.support.project import Project
from tests.support.realtime_fixtures import Connect, Connection, Policy, Start
from tests.support.stand_in import StandIn
from worker.local.settings import Ports
from worker.local.stack import Stack

QUICK = {
    "REALTIME_CONNECT_ERROR_BACKOFF_MS": "10",
    "REALTIME_CHANNEL_ERROR_BACKOFF_MS": "10",
    "REALTIME_ACCESS_TOKEN_THROTTLE_MS": "300",
    "REALTIME_SUBSCRIBE_PAUSE_MS": "20",
    "REALTIME_POLL_INTERVAL_MS": "5",
    "REALTIME_PUBLICATION_CHECK_MS": "100",
    # Limits have stacks of their own.
    "REALTIME_MAX_EVENTS_PER_SECOND": "100000",
    "REALTIME_MAX_JOINS_PER_SECOND": "100000",
}


HERE = Path(__file__).parent
ELSEWHERE = pytest.StashKey[Project | None]()
LEFT_OUT = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    try:
        config.stash[ELSEWHERE] = Project.given(os.environ)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.stash[ELSEWHERE] is None:
        return
    left_out = [item for item in items if HERE in item.path.parents and is_of_the_stand_ins_own(item)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    config.stash[LEFT_OUT] = len(left_out)


def is_of_the_stand_ins_own(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "realtime" in item.fixturenames


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    project = config.stash[ELSEWHERE]
    if project is None:
        return None
    return f"conformance of {project.url}; {config.stash[LEFT_OUT]} tests of the stand-in's own are left out"


@pytest.fixture(scope="session")
def realtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stand-in's whole stack. Whatever another server can show, too, asks for `project` instead."""
    directory: Path = tmp_path_factory.mktemp("realtime")
    with Stack(
        directory,
        ports=Ports.free(),
        worker=False,
        web=False,
        model=False,
        durable=False,
        realtime_environment=QUICK,
    ) as running:
        yield running


@pytest.fixture(scope="session")
def project(request: pytest.FixtureRequest) -> Project:
    elsewhere = request.config.stash[ELSEWHERE]
    if elsewhere:
        return elsewhere
    stack: Stack = request.getfixturevalue("realtime")  # only now, so that `project` does not stand for it
    return Project.of(stack.environment)


@pytest.fixture
def database_url(project: Project) -> str:
    return project.database_url


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    """The operator's connection, each statement on its own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def url(project: Project) -> str:
    return project.url


@pytest.fixture
def key(project: Project) -> str:
    return project.publishable_key


@pytest.fixture
def secret_key(project: Project) -> str:
    return project.secret_key


@pytest.fixture
def make_token(project: Project) -> Callable[..., str]:
    """A signed-in user's token; `role`, `sub`, `exp` and whatever else may be given."""

    def make(**claims: Any) -> str:
        usual = {"role": "authenticated", "sub": str(uuid4()), "exp": int(time.time()) + 3600}
        secret = claims.pop("secret", project.jwt_secret)
        return jwt.encode({name: value for name, value in (usual | claims).items() if value is not None}, secret)

    return make


@pytest.fixture
async def connect(url: str, key: str) -> AsyncIterator[Connect]:
    """Sockets, as many as a test wants: `await connect(version=…, apikey=…)`."""
    async with AsyncExitStack() as sockets:

        async def make(version: str = "2.0.0", apikey: str = key) -> Peer:
            return await sockets.enter_async_context(Peer(socket_url(url, apikey=apikey, vsn=version), version))

        yield make


@pytest.fixture
async def peer(connect: Connect) -> Peer:
    """A socket with the publishable key and serializer 2.0.0."""
    return await connect()


@pytest.fixture
def topic() -> str:
    return f"realtime:{uuid4()}"


_numbers = itertools.count()


@pytest.fixture
def make_table(database: Connection) -> Iterator[Callable[..., str]]:
    """A published table: `make_table("id int primary key", rls=True)` answers its name in public."""
    made: list[str] = []

    def make(columns: str, *, rls: bool = False, published: bool = True) -> str:
        name = f"t{next(_numbers)}"
        database.execute(f"create table public.{name} ({columns})".encode())
        if rls:
            database.execute(f"alter table public.{name} enable row level security".encode())
        if published:
            database.execute(f"alter publication supabase_realtime add table public.{name}".encode())
        made.append(name)
        return name

    yield make
    for name in made:
        database.execute(f"drop table if exists public.{name}".encode())


@pytest.fixture
def policy(database: Connection) -> Iterator[Callable[..., None]]:
    """A policy on realtime.messages for the time of one test."""
    made: list[str] = []

    def make(operation: str, condition: str, role: str = "authenticated") -> None:
        name = f"p{next(_numbers)}"
        clause = "with check" if operation == "insert" else "using"
        database.execute(
            f"create policy {name} on realtime.messages for {operation} to {role} {clause} ({condition})".encode()
        )
        made.append(name)

    yield make
    for name in made:
        database.execute(f"drop policy {name} on realtime.messages".encode())


@pytest.fixture(scope="module")
def start(realtime: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """A stand-in with these settings: the one that runs, if it has the same; one at a time."""
    running: list[tuple[dict[str, str], StandIn]] = []

    def make(**settings: str) -> StandIn:
        if running and running[0][0] == settings:
            return running[0][1]
        if running:
            running.pop()[1].service.stop()
        named = QUICK | {f"REALTIME_{name.upper()}": value for name, value in settings.items()}
        made = StandIn(realtime, tmp_path_factory.mktemp("limits") / "realtime.log", named)
        running.append((settings, made))
        made.service.start()
        return made

    yield make
    for _, stand_in in running:
        stand_in.service.stop()


@pytest.fixture
async def peers() -> AsyncIterator[Callable[..., Any]]:
    """Sockets to a stand-in."""
    async with AsyncExitStack() as sockets:

        async def connect(stand_in: StandIn, count: int = 1, apikey: str = "") -> list[Peer]:
            return [await sockets.enter_async_context(stand_in.peer(apikey)) for _ in range(count)]

        yield connect


@pytest.fixture
def rest(url: str, key: str) -> Iterator[httpx.Client]:
    """The REST endpoints, with the publishable key."""
    with httpx.Client(base_url=f"{url}/realtime/v1/api", headers={"apikey": key}) as client:
        yield client


@pytest.fixture
def everybody_reads(policy: Policy) -> None:
    policy("select", "true", "anon, authenticated")


@pytest.fixture
async def reader(connect: Connect, everybody_reads: None, topic: str) -> Peer:
    """In the private channel."""
    peer = await connect()
    await peer.joined(topic, {"private": True})
    return peer
