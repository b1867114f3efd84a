"""`python -m worker check`, as an operator runs it: misconfigurations are planted, one by one, and named."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.faulty_model import FaultyModel
from tests.support.gateway import gateway
from tests.support.house import FAULTS, UNLIKE_LOCAL
from worker.local.settings import Ports
from worker.local.stack import ROOT, Stack
from worker.local.supabase.postgres import SUPERUSER

CHANNELS_MIGRATION = ROOT / "supabase/migrations/20261123102300_realtime.sql"
DEAF = "Nobody else hears chat sessions or the worker"
# What the check asks of a model: a mark by which a fault meets its calls and no others.
ASKED = "Answer with the word: ready."

Result = tuple[int, list[dict[str, str]]]
Check = Callable[..., Result]


@pytest.fixture
def whole_house(house: Stack) -> Stack:
    for service in house.services.values():
        service.start()
    return house


@pytest.fixture
def run(whole_house: Stack, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command in an empty directory, with the house's settings and those given."""

    def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [sys.executable, "-m", "worker", "check", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **whole_house.environment, **settings},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.stderr == ""
        for secret in (whole_house.environment["SUPABASE_SECRET_KEY"], settings.get("SUPABASE_SECRET_KEY")):
            assert secret is None or secret not in result.stdout
        return result

    return command


@pytest.fixture
def check(run: Callable[..., subprocess.CompletedProcess[str]]) -> Check:
    def checked(**settings: str) -> Result:
        result = run("--json", **settings)
        return result.returncode, json.loads(result.stdout)["findings"]

    return checked


def told(findings: list[dict[str, str]], *levels: str) -> list[str]:
    """Everything of these levels, words and remedy."""
    return [f"{each['words']} {each['remedy']}".strip() for each in findings if each["level"] in levels]


def the_problem(result: Result) -> str:
    """The only thing that is wrong, of which the exit status speaks."""
    status, findings = result
    problems = told(findings, "problem")
    assert (status, len(problems)) == (1, 1), problems
    return problems[0]


@contextmanager
def planted(database: Any, misdeed: str, undo: str) -> Iterator[None]:
    database.execute(misdeed)
    try:
        yield
    finally:
        database.execute(undo)


def test_a_good_installation_passes(run: Callable[..., subprocess.CompletedProcess[str]], whole_house: Stack) -> None:
    result = run()

    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}
    assert {line.split()[1] for line in lines} == {
        *("settings", "keys", "project", "clocks", "database", "rights", "channels", "accounts", "workers"),
        *("realtime", "model", "price", "spend"),
    }
    for words in (
        f"A Supabase project answers at {whole_house.environment['SUPABASE_URL']}.",
        "A wake-up from the database arrived.",
        "A broadcast like the worker's arrived.",
        "gemini-3.8-flash answers, as offline-extractive.",
    ):
        assert words in result.stdout


def test_settings_that_cannot_be_read(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    result = run(SUPABASE_URL="project.supabase.co", GEMINI_API_KEY="")
    assert result.returncode == 2
    assert "SUPABASE_URL" in result.stdout
    assert "GEMINI_API_KEY" in result.stdout

    as_json = run("--json", SUPABASE_URL="project.supabase.co")
    assert as_json.returncode == 2
    assert json.loads(as_json.stdout)["status"] == "unreadable"


def test_a_url_where_nobody_is(check: Check) -> None:
    result = check(SUPABASE_URL=f"http://127.0.0.1:{Ports.free().api}")

    assert the_problem(result).startswith("Nothing answers at SUPABASE_URL, http://127.0.0.1:")
    assert told(result[1], "skipped") == ["Database and Realtime were not looked at: what is above comes first."]
    assert any("answers, as offline-extractive" in words for words in told(result[1], "ok"))


def test_a_url_of_something_else(check: Check, whole_house: Stack) -> None:
    result = check(SUPABASE_URL=whole_house.environment["WEB_URL"])

    assert re.search("What answers at SUPABASE_URL, .* is no Supabase project", the_problem(result))


def test_the_publishable_key_in_place_of_the_secret_one(check: Check, whole_house: Stack) -> None:
    publishable = whole_house.environment["SUPABASE_PUBLISHABLE_KEY"]
    result = check(SUPABASE_SECRET_KEY=publishable)

    assert the_problem(result).startswith("SUPABASE_SECRET_KEY is a publishable key (sb_publishable_…)")


def test_keys_in_each_others_place(check: Check, whole_house: Stack) -> None:
    keys = {name: whole_house.environment[name] for name in ("SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY")}
    result = check(**dict(zip(keys, reversed(keys.values()), strict=True)))

    assert the_problem(result).startswith("SUPABASE_SECRET_KEY and SUPABASE_PUBLISHABLE_KEY are swapped")


@pytest.fixture(scope="module")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Another project, on which nobody has installed anything."""
    workdir = tmp_path_factory.mktemp("nothing")
    (workdir / "supabase/migrations").mkdir(parents=True)
    options = {"worker": False, "web": False, "model": False, "durable": False}
    with Stack(tmp_path_factory.mktemp("empty"), ports=Ports.free(), workdir=workdir, **options) as stack:
        yield stack


def test_a_secret_key_of_another_project(check: Check, empty_project: Stack) -> None:
    result = check(SUPABASE_SECRET_KEY=empty_project.environment["SUPABASE_SECRET_KEY"])

    assert the_problem(result).startswith("The project refuses SUPABASE_SECRET_KEY: it is not a key of this project")


def test_a_project_without_the_migrations(check: Check, empty_project: Stack) -> None:
    result = check(**of(empty_project))

    assert the_problem(result) == (
        "The database does not know our functions: the migrations are not applied, or not all of them. "
        "Run `supabase db push --remote`."
    )


def test_one_migration_is_missing(check: Check, database: Any) -> None:
    version = "20261123102300"
    table = "supabase_migrations.schema_migrations"
    kept = database.execute(f"select * from {table} where version = %s", [version]).fetchone()
    database.execute(f"delete from {table} where version = %s", [version])
    try:
        result = check()
    finally:
        columns = ", ".join(kept)
        database.execute(
            f"insert into {table} ({columns}) values ({', '.join(['%s'] * len(kept))})", list(kept.values())
        )

    assert the_problem(result) == f"Migrations are missing: {version}. Run `supabase db push --remote`."


@pytest.mark.parametrize(
    ("misdeed", "undo", "words"),
    [
        pytest.param(
            "alter table public.chat_messages disable row level security",
            "alter table public.chat_messages enable row level security",
            "Row-level security of public.chat_messages is off: everybody who may read it reads every row. "
            "Run: alter table public.chat_messages enable row level security;",
            id="row-level security is off",
        ),
        pytest.param(
            "alter publication supabase_realtime drop table public.chat_replies",
            "alter publication supabase_realtime add table public.chat_replies",
            "public.chat_replies is not in the publication supabase_realtime: nobody hears of its rows. "
            "Run: alter publication supabase_realtime add table public.chat_replies;",
            id="a table is not published",
        ),
        pytest.param(
            "alter table private.reply_queue disable trigger send_wake_up",
            "alter table private.reply_queue enable trigger send_wake_up",
            "The trigger send_wake_up of private.reply_queue is disabled. "
            "Run: alter table private.reply_queue enable trigger send_wake_up;",
            id="a trigger is disabled",
        ),
        pytest.param(
            "grant select on table public.posts to anon",
            "revoke select on table public.posts from anon",
            "anon may select on public.posts, and should not. Run: revoke select on table public.posts from anon;",
            id="anon may read",
        ),
        pytest.param(
            "grant select (content) on table public.chat_messages to public",
            "revoke select (content) on table public.chat_messages from public",
            "Everybody may select (content) on public.chat_messages, and should not. "
            "Run: revoke select (content) on table public.chat_messages from public;",
            id="anybody may read a column",
        ),
        pytest.param(
            "revoke execute on function public.claim_replies from service_role",
            "grant execute on function public.claim_replies to service_role",
            "service_role may not execute public.claim_replies. "
            "Run: grant execute on function public.claim_replies to service_role;",
            id="the worker may not claim",
        ),
        pytest.param(
            "grant execute on function public.complete_reply to authenticated",
            "revoke execute on function public.complete_reply from authenticated",
            "authenticated may execute public.complete_reply, and should not. "
            "Run: revoke execute on function public.complete_reply from authenticated;",
            id="users may complete",
        ),
        pytest.param(
            "create view public.talk as select content from public.chat_messages",
            "drop view public.talk",
            "The view public.talk reads our rows past their policies: anon, authenticated see everybody's. "
            "Run: alter view public.talk set (security_invoker = true);",
            id="a view of theirs reads past the policies",
        ),
        pytest.param(
            f'drop policy "{DEAF}" on realtime.messages',
            re.search(rf'create policy "{DEAF}" on.*?;', CHANNELS_MIGRATION.read_text(), re.DOTALL)[0],
            f"The policy “{DEAF}” of realtime.messages is missing. Create it again, as supabase/migrations has it.",
            id="a restrictive policy was dropped",
        ),
    ],
)
def test_what_only_the_database_knows(check: Check, database: Any, misdeed: str, undo: str, words: str) -> None:
    with planted(database, misdeed, undo):
        result = check()

    assert the_problem(result) == words


def test_the_demo_account_on_a_project_that_is_not_local(check: Check, database: Any, whole_house: Stack) -> None:
    with planted(
        database,
        "insert into auth.users (id, email) values (gen_random_uuid(), 'demo@postbro.test')",
        "delete from auth.users where email = 'demo@postbro.test'",
    ):
        at_home, findings = check()
        assert (at_home, told(findings, "problem", "warning")) == (0, [])
        # The same project, under a name that is not one of this machine's.
        with gateway(whole_house.ports.api, host=UNLIKE_LOCAL) as elsewhere:
            status, findings = check(SUPABASE_URL=elsewhere)

    assert status == 1
    plain_text, demo = told(findings, "problem")
    assert plain_text.startswith("SUPABASE_URL is http: the secret key would cross the network in plain text.")
    assert demo.startswith("The demo account demo@postbro.test exists, and its password is public.")


def test_realtime_is_down(check: Check, whole_house: Stack) -> None:
    whole_house.realtime.stop()
    try:
        result = check()
    finally:
        whole_house.realtime.start()

    assert the_problem(result).startswith("Realtime cannot be subscribed to.")


@pytest.fixture
def realtimes_own(whole_house: Stack) -> Iterator[Any]:
    """Who may spoil what is Realtime's."""
    with psycopg.connect(whole_house.postgres.url(SUPERUSER), autocommit=True) as connection:
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
def test_a_publication_was_altered(check: Check, realtimes_own: Any, misdeed: str, undo: str, words: str) -> None:
    with planted(realtimes_own, misdeed, undo):
        result = check()

    assert the_problem(result).startswith(words)
    assert "A broadcast like the worker's arrived." in told(result[1], "ok")


def test_a_publication_is_missing(check: Check, database: Any) -> None:
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
    check: Check, realtimes_own: Any, misdeed: str, undo: str, words: str
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
    options = {"worker": False, "web": False, "model": False, "durable": False}
    realtime = {
        "REALTIME_REPLICATION_START_MS": "8000",
        "REALTIME_COLD_AFTER_MS": "1",
        "REALTIME_PRIVATE_ONLY": "true",
        **FAULTS,
    }
    directory = tmp_path_factory.mktemp("cold")
    with Stack(directory, ports=Ports.free(), realtime_environment=realtime, **options) as stack:
        yield stack


def of(project: Stack) -> dict[str, str]:
    names = ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY")
    return {name: project.environment[name] for name in names}


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


def test_a_worker_of_another_version(check: Check, database: Any) -> None:
    with planted(
        database,
        """insert into private.workers (id, version, concurrency, alive_until, alive_seconds)
        values ('00000000-0000-4000-8000-000000000000', '0.0.9', 1, now() + interval '5 min', 300)""",
        "delete from private.workers where version = '0.0.9'",
    ):
        status, findings = check()

    assert status == 0
    [warning] = told(findings, "warning")
    assert "1 of version 0.0.9" in warning


@contextmanager
def lost_broadcasts(project: Stack) -> Iterator[None]:
    """What the database sends is stored, and delivered to nobody."""
    faults = f"http://127.0.0.1:{project.ports.realtime}/faults"
    httpx.post(faults, json={"fault": "lose_broadcasts"}).raise_for_status()
    try:
        yield
    finally:
        httpx.delete(faults).raise_for_status()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 404}, "There is no model gemini-nowhere. Correct GEMINI_MODELS."),
        (
            {"status": 400, "message": "API key not valid. Please pass a valid API key."},
            "The provider refuses GEMINI_API_KEY for gemini-nowhere (400 INVALID_ARGUMENT).",
        ),
        ({"status": 403}, "The provider refuses GEMINI_API_KEY for gemini-nowhere (403 PERMISSION_DENIED)."),
    ],
    ids=["unknown", "key not valid", "key not allowed"],
)
def test_a_model_that_refuses(check: Check, faulty_model: FaultyModel, fault: dict[str, Any], words: str) -> None:
    faulty_model.add("refuse", question=ASKED, model="gemini-nowhere", **fault)

    result = check(GEMINI_MODELS="gemini-3.8-flash,gemini-nowhere")

    assert the_problem(result).startswith(words)
    assert "gemini-3.8-flash answers, as offline-extractive." in told(result[1], "ok")


def test_a_limit_of_the_model_is_a_warning(check: Check, faulty_model: FaultyModel) -> None:
    faulty_model.add("refuse", question=ASKED, status=429, quota="minute")

    status, findings = check(GEMINI_MODELS="gemini-3.8-flash")

    assert status == 0
    [warning] = told(findings, "warning")
    assert warning.startswith("gemini-3.8-flash is there, and this key's limit is reached")


@pytest.mark.parametrize(
    ("ahead", "level", "words"),
    [
        (3600, "problem", "The API's clock is 3600 s ahead of this machine's."),
        (-3600, "problem", "The API's clock is 3600 s behind this machine's."),
        (30, "warning", "The API's clock is 30 s ahead of this machine's."),
    ],
)
def test_a_clock_is_wrong(check: Check, whole_house: Stack, ahead: int, level: str, words: str) -> None:
    with gateway(whole_house.ports.api, seconds_ahead=ahead) as url:
        status, findings = check(SUPABASE_URL=url)

    assert status == (1 if level == "problem" else 0)
    [finding] = told(findings, "problem", "warning")
    about = re.compile(words.replace(str(abs(ahead)), r"(\d+)"))
    seconds = about.match(finding)
    assert seconds is not None, finding
    assert abs(int(seconds[1]) - abs(ahead)) <= 2
    assert finding in told(findings, level)
    assert "The database's clock agrees with this machine's." in told(findings, "ok")


def test_settings_that_make_no_sense(check: Check) -> None:
    status, findings = check(
        SWEEP_SECONDS="600", LEASE_SECONDS="900", GEMINI_MODELS="gemini-3.8-flash,gemini-3.8-flash"
    )

    assert status == 0
    assert [words.split(" is ")[0].split(" names ")[0] for words in told(findings, "warning")] == [
        "SWEEP_SECONDS",
        "LEASE_SECONDS",
        "GEMINI_MODELS",
    ]
