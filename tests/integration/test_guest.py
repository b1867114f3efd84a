"""We are a guest: what the project had before the migrations is the same after them."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import psycopg
import pytest

from tests.support.host_catalogue import assert_nothing_of_theirs_changed
from tests.support.host_project import OURS, HostProject
from worker.local.processes import StartError
from worker.local.settings import Ports
from worker.local.stack import POSTGRES_BINARIES
from worker.local.supabase.passwords import SUPERUSER
from worker.local.supabase.postgres import Postgres
from worker.local.supabase.supabase_cli import CLI

THEIR_PROJECT = """
create table public.notes (id bigint generated always as identity primary key, user_id uuid, body text);
alter table public.notes enable row level security;
create policy "Everybody reads" on public.notes for select using (true);
create view public.note_count as select count(*) from public.notes;
create function public.touch() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger touch before update on public.notes for each row execute function public.touch();
create type public.mood as enum ('fine', 'not so fine');

create schema analytics;
grant usage on schema analytics to authenticated;
create view analytics.notes_per_user as select user_id, count(*) from public.notes group by user_id;
create schema private;
grant usage on schema private to authenticated;
create table private.settings (name text primary key, value text);
grant select on private.settings to authenticated;
create function private.is_admin() returns boolean language sql as $$ select false $$;

create policy "All hear everything" on realtime.messages for select to authenticated using (true);
create policy "All say everything" on realtime.messages for insert to authenticated with check (true);
create function public.handle_new_user() returns trigger language plpgsql security definer
  set search_path = '' as $$ begin return new; end $$;
create trigger on_auth_user_created after insert on auth.users
  for each row execute function public.handle_new_user();
alter publication supabase_realtime add table public.notes;
alter default privileges in schema public revoke execute on functions from anon;
alter default privileges in schema private grant select on tables to authenticated;
"""
# What they may have made under a name of ours, and how the refusal names it.
TAKEN = {
    "table": ("create table public.posts (id int);", "public.posts"),
    "view": ("create view public.chat_messages as select 1 as one;", "public.chat_messages"),
    "private table": (
        "create schema if not exists private; create table private.reply_queue (id int);",
        "private.reply_queue",
    ),
    "workers": ("create schema if not exists private; create table private.workers (id int);", "private.workers"),
    "function": (
        "create function public.cancel_reply(a int) returns int language sql as 'select a';",
        "public.cancel_reply()",
    ),
    "private function": (
        "create schema if not exists private;"
        " create function private.max_calls() returns integer language sql as 'select 1';",
        "private.max_calls",
    ),
    "view of analytics": (
        "create schema analytics; create view analytics.cost_by_day as select 1 as one;",
        "analytics.cost_by_day",
    ),
}

MakeProject = Callable[[], HostProject]
Catalogue = dict[str, set[str]]


@dataclass(frozen=True)
class Installed:
    """A project with its catalogue before and after our migrations: the tests that read it share it."""

    project: HostProject
    before: Catalogue
    after: Catalogue


@dataclass(frozen=True)
class Refused:
    """A project that our migrations refused, with the words of the refusal."""

    words: str
    before: Catalogue
    after: Catalogue


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A database server of its own: a project can only be copied while nobody is connected to it."""
    directory = tmp_path_factory.mktemp("guest")
    postgres = Postgres(
        directory / "postgres",
        POSTGRES_BINARIES,
        port=Ports.free().postgres,
        secret="of-this-server",
        durable=False,
        log=directory / "postgres.log",
    )
    postgres.start()
    yield postgres
    postgres.stop()


@pytest.fixture(scope="module")
def make_project(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> MakeProject:
    """Each is a copy of the empty project, which stays empty."""
    numbers = count(1)

    def make() -> HostProject:
        name = f"project_{next(numbers)}"
        template = server.url(SUPERUSER).rsplit("/", 1)[0] + "/template1"
        with psycopg.connect(template, autocommit=True) as connection:
            connection.execute(f"create database {name} template postgres owner postgres".encode())
        url = server.url("postgres").rsplit("/", 1)[0] + f"/{name}"
        return HostProject(url, tmp_path_factory.mktemp(name))

    return make


def install(project: HostProject) -> Installed:
    before = project.catalogue()
    project.add_ours()
    assert project.push()
    return Installed(project, before, project.catalogue())


def is_refused(project: HostProject) -> Refused:
    before = project.catalogue()
    project.add_ours()
    with pytest.raises(StartError) as refused:
        project.push()
    return Refused(str(refused.value), before, project.catalogue())


@pytest.fixture(scope="module")
def in_empty(make_project: MakeProject) -> Installed:
    return install(make_project())


@pytest.fixture(scope="module")
def in_theirs(make_project: MakeProject) -> Installed:
    project = make_project()
    project.add_theirs(THEIR_PROJECT)
    assert project.push()
    return install(project)


@pytest.fixture(scope="module")
def empty(make_project: MakeProject) -> HostProject:
    """For what is rolled back."""
    return make_project()


@pytest.fixture(scope="module")
def all_taken(make_project: MakeProject) -> Refused:
    project = make_project()
    project.add_theirs("\n".join(theirs for theirs, _ in TAKEN.values()))
    assert project.push()
    return is_refused(project)


def test_an_empty_project(in_empty: Installed) -> None:
    assert_nothing_of_theirs_changed(in_empty.before, in_empty.after)


def test_a_project_with_a_life_of_its_own(in_theirs: Installed) -> None:
    assert_nothing_of_theirs_changed(in_theirs.before, in_theirs.after)
    assert in_theirs.after["policies"] > in_theirs.before["policies"]


@pytest.mark.parametrize(
    ("misdeed", "words"),
    [
        (
            f"alter table realtime.messages owner to {SUPERUSER}",
            "postgres may not write policies on realtime.messages. Upgrade the project's Postgres",
        ),
        (
            "alter table realtime.messages rename to elsewhere",
            "this project has no realtime.messages. Switch Realtime on",
        ),
    ],
)
def test_a_project_whose_realtime_is_not_ours_to_write_policies_on_is_left_as_it_was(
    server: Postgres, make_project: MakeProject, misdeed: str, words: str
) -> None:
    """It says so at once, and what to do, and not after twenty files, in Postgres's words."""
    project = make_project()
    theirs = server.url(SUPERUSER).rsplit("/", 1)[0] + "/" + project.url.rsplit("/", 1)[1]
    with psycopg.connect(theirs, autocommit=True) as connection:
        connection.execute(misdeed.encode())
    project.add_theirs("select 1;")
    assert project.push()
    refused = is_refused(project)
    assert words in refused.words
    assert refused.after == refused.before


def test_careless_policies_of_theirs_open_nothing_of_ours(in_theirs: Installed) -> None:
    session = "0b3f9a52-7a1f-4f07-9c4e-1f7a3b8a6f11"
    topics = ["chat:worker", f"chat:{session}", f"chat:{session.upper()}"]
    with psycopg.connect(in_theirs.project.url, autocommit=True) as connection:
        for topic in [*topics, "chat:lobby", "room"]:
            connection.execute(
                "insert into realtime.messages (topic, extension, event) values (%s, 'broadcast', 'hello')",
                [topic],
            )
        connection.execute("set role authenticated")
        connection.execute("select set_config('request.jwt.claim.sub', gen_random_uuid()::text, false)")
        heard = connection.execute("select topic from realtime.messages order by topic").fetchall()
        assert [row[0] for row in heard] == ["chat:lobby", "room"]
        for topic in topics:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(
                    "insert into realtime.messages (topic, extension) values (%s, 'broadcast')", [topic]
                )
        connection.execute("insert into realtime.messages (topic, extension) values ('chat:lobby', 'broadcast')")


@pytest.mark.parametrize(("theirs", "name"), TAKEN.values(), ids=TAKEN)
def test_a_name_that_is_taken_is_refused_and_nothing_stays_behind(
    empty: HostProject, all_taken: Refused, theirs: str, name: str
) -> None:
    """Each by itself, of the database; and all at once, of the CLI."""
    with psycopg.connect(empty.url) as connection:
        connection.execute(theirs.encode())
        with pytest.raises(psycopg.errors.RaiseException) as refused:
            connection.execute(OURS[0].read_bytes())
        connection.rollback()
    for words in (str(refused.value), all_taken.words):
        assert "PostBro Chat was not installed: this database already has" in words
        assert name in words
    assert all_taken.after == all_taken.before


def test_every_name_of_ours_is_looked_for(in_empty: Installed) -> None:
    """A name that the first migration does not look for would stop a later one halfway."""
    with psycopg.connect(in_empty.project.url) as connection:
        made = connection.execute(
            """select c.relname, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'v') and n.nspname in ('public', 'private', 'analytics')
            union all
            select p.proname, n.nspname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where n.nspname in ('public', 'private')"""
        ).fetchall()
    looks, _ = OURS[0].read_text().split("if taken is not null")
    looked_for = {name for name in re.findall(r"'(\w+)'", looks) if name not in ("public", "private", "analytics")}
    assert {name for name, _ in made} == looked_for


def test_the_advisors_have_no_warning(in_empty: Installed) -> None:
    result = subprocess.run(
        [
            str(CLI),
            "db",
            "advisors",
            f"--workdir={in_empty.project.workdir}",
            f"--remote={in_empty.project.url}",
            "--fail-on",
            "warn",
        ],
        env={
            **os.environ,
            "SUPABASE_TELEMETRY_DISABLED": "1",
            "DO_NOT_TRACK": "1",
            "PGSSLMODE": "disable",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_second_push_has_nothing_to_do(in_empty: Installed) -> None:
    before = in_empty.project.catalogue()
    assert in_empty.project.push() is False
    assert in_empty.project.catalogue() == before


def test_a_user_can_be_deleted(in_empty: Installed) -> None:
    """No object of ours is in the way: a user goes with all that is theirs."""
    with psycopg.connect(in_empty.project.url, autocommit=True) as connection:
        connection.execute("insert into auth.users (id) values ('0b3f9a52-7a1f-4f07-9c4e-1f7a3b8a6f11')")
        connection.execute(
            "insert into public.posts (user_id, platform, url) select id, 'instagram', 'x' from auth.users"
        )
        connection.execute("delete from auth.users")
        assert connection.execute("select count(*) from public.posts").fetchone() == (0,)
