"""The house behind a hosted project's manners, in a database whose clock is another zone's: nothing is lost."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from tests.chaos.run import COMPLAINTS
from tests.support.people import Chat, People
from tests.support.waiting import wait_for
from worker.local.settings import Ports
from worker.local.stack import Stack
from worker.local.supabase.hosted.weather import MAX_ROWS

SEED = 3
BURSTS = 5
ASK_SECONDS = 300.0
ANSWER_SECONDS = 120.0
ZONE = "Pacific/Kiritimati"  # 14 hours ahead: another day for most of the time

Database = psycopg.Connection[dict[str, Any]]


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("hosted")
    with Stack(
        directory, ports=Ports.free(), web=False, durable=False, hosted_manners=True, seed=SEED, worker=True
    ) as stack:
        with psycopg.connect(stack.postgres.url("supabase_admin"), autocommit=True) as connection:
            connection.execute(f"alter database postgres set timezone to '{ZONE}'")
        for service in (stack.worker, stack.api, stack.realtime):
            service.stop()
        for service in (stack.realtime, stack.api, stack.worker):
            service.start()
        yield stack


@pytest.fixture
def database(hosted: Stack) -> Iterator[Database]:
    with psycopg.connect(hosted.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def people(hosted: Stack, database: Database) -> Iterator[People]:
    with People(hosted.environment, database) as everybody:
        yield everybody


def ask(database: Database, chat: Chat) -> UUID:
    row = database.execute(
        "insert into public.chat_messages (session_id, content) values (%s, %s) returning id",
        [chat.session, f"How many likes did it get? {uuid4()}"],
    ).fetchone()
    assert row
    return UUID(str(row["id"]))


def troubles(stack: Stack) -> list[str]:
    """The kinds of the bursts so far, by the gateway's own word."""
    lines = (stack.directory / "logs" / "manners.log").read_text().splitlines()
    return [line.partition("trouble: ")[2] for line in lines if "trouble: " in line]


def test_whatever_the_weather_each_question_is_answered_once(
    hosted: Stack, people: People, database: Database
) -> None:
    assert database.execute("show timezone").fetchone() == {"TimeZone": ZONE}
    chats = [people.make_chat() for _ in range(6)]
    asked: list[UUID] = []

    def weather_has_changed() -> bool:
        asked.append(ask(database, chats[len(asked) % len(chats)]))
        wait_for(lambda: unfinished(database) < 4, "answers", ANSWER_SECONDS)
        return len(troubles(hosted)) >= BURSTS

    wait_for(weather_has_changed, "some bursts of trouble", ASK_SECONDS)
    wait_for(lambda: unfinished(database) == 0, "the last answers", ANSWER_SECONDS)

    replies = database.execute("select status, error_code, count(*) as n from public.chat_replies group by 1, 2")
    assert replies.fetchall() == [{"status": "completed", "error_code": None, "n": len(asked)}]
    answers = database.execute("select reply_to from public.chat_messages where role = 'assistant'").fetchall()
    assert sorted(str(row["reply_to"]) for row in answers) == sorted(map(str, asked))
    assert len(set(troubles(hosted))) >= BURSTS
    lines = [json.loads(line) for line in (hosted.directory / "logs" / "worker.log").read_text().splitlines()]
    assert not [line for line in lines if line["action"] in COMPLAINTS]
    assert not hosted.worker.died


def unfinished(database: Database) -> int:
    row = database.execute(
        "select count(*)::integer as n from public.chat_replies where status in ('pending', 'answering')"
    ).fetchone()
    assert row
    return int(row["n"])


def read(hosted: Stack, url: str, path: str, token: str) -> httpx.Response:
    headers = {"apikey": hosted.environment["SUPABASE_PUBLISHABLE_KEY"], "authorization": f"Bearer {token}"}
    return httpx.get(f"{url}/rest/v1/{path}", headers=headers, timeout=20)


def test_no_read_brings_more_than_max_rows(hosted: Stack, people: People, database: Database) -> None:
    user = people.make_user()
    database.execute(
        "insert into public.posts (user_id, platform, url) select %s, 'instagram', 'https://example.test/' || n"
        " from generate_series(1, 150) as n",
        [user.id],
    )

    def rows() -> list[Any] | None:
        try:
            answer = read(hosted, hosted.environment["SUPABASE_URL"], "posts?select=id&limit=1000", user.token)
        except httpx.HTTPError:
            return None
        return answer.json() if answer.is_success else None

    assert len(wait_for(rows, "an answer", 60) or []) == MAX_ROWS
    assert len(read(hosted, hosted.api_url, "posts?select=id&limit=1000", user.token).json()) == 150


def test_statements_end_when_a_hosted_project_ends_them(hosted: Stack, people: People, database: Database) -> None:
    database.execute("create view public.their_limit as select current_setting('statement_timeout') as seconds")
    database.execute("create view public.slow as select 1 as done from pg_sleep(60)")
    database.execute("grant select on public.their_limit, public.slow to anon, authenticated")
    database.execute("notify pgrst, 'reload schema'")
    anybody, user = hosted.environment["SUPABASE_PUBLISHABLE_KEY"], people.make_user().token

    def is_known() -> bool:
        return read(hosted, hosted.api_url, "their_limit", user).is_success

    wait_for(is_known, "the API to know the view")
    assert read(hosted, hosted.api_url, "their_limit", user).json() == [{"seconds": "8s"}]
    assert read(hosted, hosted.api_url, "their_limit", anybody).json() == [{"seconds": "3s"}]
    answer = read(hosted, hosted.api_url, "slow", anybody)
    assert (answer.status_code, answer.json()["code"]) == (500, "57014")
