r"""A worker of an earlier commit works with the schema of this one, and with one that has learned more since.

worker.tar.gz holds that commit's program. From 0.1.0 on, it is the one of the release before; until then it is made
anew when the two have to change together:

    git archive COMMIT worker ':!worker/local' ':!worker/web/ui' ':!worker/operations/ui' ':!worker/web/pictures' \
        ':!worker/operations/dashboards' | gzip -n > worker.tar.gz
"""

import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.people import People
from tests.support.waiting import wait_for
from worker.local.processes import Service, http_ready
from worker.local.settings import Ports
from worker.local.stack import Stack

FIXTURE = Path(__file__).with_name("worker.tar.gz")

# What a later release may add without a word: columns, keys in every answer, arguments with a default.
LATER = """
alter table public.chat_replies add column later text default 'later';
alter table public.chat_messages add column later jsonb default '{"a": [1]}';
alter table private.workers add column later text;
alter table private.reply_queue add column later text;

create or replace function public.claim_replies(worker_id uuid, claim bigint, max_replies integer) returns jsonb
language sql set search_path = '' begin atomic
  select answer || jsonb_build_object('later', '{"deep": [1]}'::jsonb, 'replies', (
    select coalesce(jsonb_agg(reply || jsonb_build_object(
      'later', 1, 'context', (((reply ->> 'context')::jsonb) || '{"later": [{"a": null}]}')::text)), '[]')
    from jsonb_array_elements(answer -> 'replies') as reply))
  from private.claim_replies(claim_replies.worker_id, claim_replies.claim, claim_replies.max_replies) as answer;
end;

create or replace function public.beat(
  worker_id uuid, alive_seconds double precision, claims_known bigint, models_closed_seconds double precision,
  held uuid[], attempts integer[], asking jsonb) returns jsonb
language sql set search_path = '' begin atomic
  select private.beat(
    beat.worker_id, beat.alive_seconds, beat.claims_known, beat.models_closed_seconds, beat.held, beat.attempts,
    beat.asking) || '{"later": true}';
end;
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything of this commit but the worker."""
    directory = tmp_path_factory.mktemp("upgrade")
    options = ("--pace-ms", "1")
    with Stack(
        directory, ports=Ports.free(), worker=False, web=False, durable=False, model_arguments=options
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def older_worker(house: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    program = tmp_path_factory.mktemp("older")
    with tarfile.open(FIXTURE) as fixture:
        fixture.extractall(program, filter="data")
    [port] = [Ports.free().worker]
    service = Service(
        "The older worker",
        [sys.executable, "-m", "worker", "run"],
        log=house.directory / "logs" / "older_worker.log",
        ready=http_ready(port, "/healthz"),
        environment={**house.environment, "HEALTH_PORT": str(port), "PYTHONPATH": str(program)},
        working_directory=program,
    )
    service.start()
    wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200, "it to be ready", 30)
    yield service
    service.stop()


@pytest.mark.parametrize("schema", ["of this commit", "of a later one"])
def test_it_answers(house: Stack, older_worker: Service, schema: str) -> None:
    with (
        psycopg.connect(house.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as database,
        People(house.environment, database) as people,
    ):
        if schema == "of a later one":
            database.execute(LATER)
        chat = people.make_chat()
        questions = [people.ask(chat, "How many likes did it get?"), people.ask(chat, "And why?")]

        def statuses() -> list[str]:
            rows = database.execute(
                "select status from public.chat_replies where message_id = any (%s)", [questions]
            ).fetchall()
            return [row["status"] for row in rows]

        wait_for(lambda: statuses() == ["completed"] * 2, "both answers", 30)
    assert older_worker.running
