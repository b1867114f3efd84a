"""The whole house, as processes: database, API, Realtime, model, worker, page. The clients are the real ones."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
import supabase
from psycopg.rows import dict_row

from tests.support import limits
from tests.support.faulty_model import FaultyModel
from tests.support.house import ELSEWHERE, FAULTS, PACE_MS, UNLIKE_LOCAL
from tests.support.listener import Listener
from tests.support.people import Chat, People, User
from tests.support.waiting import wait_for
from worker.local.processes import Service, http_ready, python_module
from worker.local.settings import Ports
from worker.local.stack import ROOT, Stack


@pytest.fixture(scope="session")
def model_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model") / "calls.jsonl"


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, model_log: Path) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("house")
    options = ("--pace-ms", PACE_MS, "--log", str(model_log), "--faults")
    with Stack(
        directory,
        ports=Ports.free(),
        durable=False,
        model_arguments=options,
        realtime_environment=FAULTS,
        names=(ELSEWHERE, UNLIKE_LOCAL),
    ) as running:
        limits.take_off(running.environment["DATABASE_URL"])
        yield running


@pytest.fixture
def worker_ready(house: Stack) -> Callable[[], bool]:
    """Whether the worker is up and subscribed, by its own word."""

    def ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{house.ports.worker}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    return ready


@pytest.fixture
def worker(house: Stack, worker_ready: Callable[[], bool]) -> Stack:
    """The house with everything in it running, whatever an earlier test did."""
    for service in house.services.values():
        service.start()
    wait_for(worker_ready, "the worker to be subscribed", seconds=20)
    return house


@pytest.fixture
def worker_with(house: Stack, worker_ready: Callable[[], bool]) -> Iterator[Callable[..., Service]]:
    """`worker_with(MODEL_IDLE_SECONDS=2)`: a new worker with these settings, in the place of the house's own."""
    started: list[Service] = []

    def start(**settings: object) -> Service:
        for service in house.services.values():
            if service is not house.worker:
                service.start()
        house.worker.stop()
        service = Service(
            "Another worker",
            python_module("worker", "run"),
            log=house.directory / "logs" / "another_worker.log",
            ready=http_ready(house.ports.worker, "/healthz"),
            environment={**house.environment, **{name: str(value) for name, value in settings.items()}},
            working_directory=ROOT,
        )
        started.append(service)
        service.start()
        wait_for(worker_ready, "the other worker to be subscribed", seconds=20)
        return service

    yield start
    for service in started:
        service.stop()
    # The house's own stays stopped: who needs it asks for `worker`, and the next test of this kind would stop it.


@pytest.fixture
def database(house: Stack) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    url = house.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def people(house: Stack, database: psycopg.Connection[dict[str, Any]]) -> Iterator[People]:
    with People(house.environment, database) as everybody:
        yield everybody


@pytest.fixture
async def client(house: Stack) -> AsyncIterator[supabase.AsyncClient]:
    """Somebody who has just signed up, with supabase-py."""
    made = await supabase.acreate_client(
        house.environment["SUPABASE_URL"], house.environment["SUPABASE_PUBLISHABLE_KEY"]
    )
    await made.auth.sign_up({"email": f"{uuid4()}@example.test", "password": "a-long-password"})
    yield made
    await made.remove_all_channels()
    await made.realtime.close()
    await made.auth.close()
    await made.postgrest.aclose()


@pytest.fixture
async def chat(client: supabase.AsyncClient, people: People) -> Chat:
    session = await client.auth.get_session()
    assert session is not None
    return people.make_chat(User(UUID(session.user.id), session.access_token))


@pytest.fixture
async def listener(client: supabase.AsyncClient, chat: Chat) -> Listener:
    """An open page of the chat: on its private channel, and on plain row changes."""
    listening = Listener(client, str(chat.session))
    await listening.subscribe()
    return listening


@pytest.fixture
def faulty_model(house: Stack) -> Iterator[FaultyModel]:
    house.model.start()
    with FaultyModel(house.environment["GEMINI_BASE_URL"]) as model:
        yield model
    if model.has_hurt:
        # Its breakers would hold against the next test what this one did to the models.
        house.worker.stop()


@pytest.fixture
def calls(model_log: Path) -> Callable[[], list[dict[str, Any]]]:
    """The model server's own log of the calls that reached it."""

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in model_log.read_text().splitlines()] if model_log.exists() else []

    return read
