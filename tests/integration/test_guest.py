"""We are a guest: what the project had before the migrations is the same after them."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from worker.local.processes import StartError
from worker.local.settings import Ports
from worker.local.stack import POSTGRES_BINARIES, ROOT
from worker.local.supabase import migrations
from worker.local.supabase.passwords import SUPERUSER
from worker.local.supabase.postgres import Postgres
from worker.local.supabase.supabase_cli import CLI

OURS = sorted((ROOT / "supabase" / "migrations").glob("*.sql"))
THEIR_MIGRATION = "20250101000000_their_project.sql"
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

# Each row of the catalogue as one text, without what Postgres counts or numbers by itself.
CATALOGUE = {
    "schemas": "select nspname, nspacl::text, nspowner::regrole::text from pg_namespace"
    " where nspname !~ '^pg_(toast|temp)'",
    "relations": """select n.nspname, c.relname,
        (select indrelid::regclass::text from pg_index i where i.indexrelid = c.oid), c.relkind,
        c.relowner::regrole::text, c.relacl::text,
        c.relrowsecurity, c.relforcerowsecurity, c.reloptions::text, c.relreplident,
        obj_description(c.oid, 'pg_class')
        from pg_class c join pg_namespace n on n.oid = c.relnamespace""",
    "columns": """select a.attrelid::regclass::text, a.attname, a.atttypid::regtype::text, a.attnotnull,
        a.attacl::text, pg_get_expr(d.adbin, d.adrelid)
        from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        join pg_class c on c.oid = a.attrelid where c.relkind in ('r', 'p', 'v')""",
    "functions": """select p.oid::regprocedure::text, p.proowner::regrole::text, p.proacl::text, p.prosecdef,
        p.proconfig::text, p.prosrc from pg_proc p""",
    "policies": "select * from pg_policies",
    "triggers": """select tgrelid::regclass::text, tgname, tgenabled, pg_get_triggerdef(oid) from pg_trigger
        where not tgisinternal""",
    "constraints": """select conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        from pg_constraint""",
    "types": "select oid::regtype::text, typowner::regrole::text, typacl::text from pg_type",
    "default privileges": """select defaclrole::regrole::text, defaclnamespace::regnamespace::text,
        defaclobjtype, defaclacl::text from pg_default_acl""",
    "event triggers": "select evtname, evtevent, evtenabled from pg_event_trigger",
    "extensions": "select extname, extversion, extnamespace::regnamespace::text from pg_extension",
    "publications": """select pubname, pubowner::regrole::text, puballtables, pubinsert, pubupdate, pubdelete
        from pg_publication""",
    "published tables": "select pubname, schemaname, tablename from pg_publication_tables",
    "roles": "select rolname, rolsuper, rolinherit, rolcreaterole, rolbypassrls, rolconfig::text from pg_roles",
    "memberships": "select roleid::regrole::text, member::regrole::text, inherit_option, set_option"
    " from pg_auth_members",
    "settings": "select setdatabase <> 0, setrole::regrole::text, setconfig::text from pg_db_role_setting",
    "databases": "select datacl::text from pg_database where datname = current_database()",
}
# What may be there afterwards that was not there before.
ADDED = {
    "schemas",
    "relations",
    "columns",
    "functions",
    "policies",
    "triggers",
    "constraints",
    "types",
    "published tables",
}
OUR_NAMES = (
    "posts",
    "post_analyses",
    "chat_sessions",
    "chat_messages",
    "chat_replies",
    "chat_reply_drafts",
    "external_api_call_logs",
    "chat_session_summaries",
    "current_chat_messages",
    "chat_service",
    "reply_queue",
    "draft_pieces",
    "used_ids",
    "erasures",
    "served_places",
    "uncounted_calls",
    "uncounted_replies",
    "call_counts",
    "reply_counts",
    "user_day_counts",
    "usage_asked",
    "usage_spent",
    "plans",
    "chat_settings",
    "user_plans",
    "calls_by_span",
    "latencies_by_span",
    "replies_by_span",
    "use_by_user_and_day",
    "refusals",
    "spend",
    "private.workers",
    "'private', 'workers",
    "private.reconciler",
    "'private', 'reconciler",
    "('analytics', ",
    "('analytics.",
)


def catalogue(url: str) -> dict[str, set[str]]:
    with psycopg.connect(url) as connection:
        return {name: {str(row) for row in connection.execute(statement)} for name, statement in CATALOGUE.items()}


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


@pytest.fixture
def new_project(server: Postgres, request: pytest.FixtureRequest) -> str:
    """The URL of a fresh project: a copy of the empty one, which stays empty."""
    name = f"project_{abs(hash(request.node.nodeid))}"
    template = server.url(SUPERUSER).rsplit("/", 1)[0] + "/template1"
    with psycopg.connect(template, autocommit=True) as connection:
        connection.execute(f"create database {name} template postgres owner postgres".encode())
    return server.url("postgres").rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    shutil.copy(ROOT / "supabase" / "config.toml", tmp_path / "supabase")
    return tmp_path


@pytest.fixture
def push(new_project: str, workdir: Path) -> Callable[[], None]:
    """`supabase db push` of whatever is in the project's directory by now."""
    return lambda: _applied(migrations.apply(new_project, workdir))


def _applied(anything: bool) -> None:
    assert anything


def add_ours(workdir: Path) -> None:
    for file in OURS:
        shutil.copy(file, workdir / "supabase" / "migrations")


def add_theirs(workdir: Path, sql: str) -> None:
    (workdir / "supabase" / "migrations" / THEIR_MIGRATION).write_text(sql)


def assert_nothing_of_theirs_changed(before: dict[str, set[str]], after: dict[str, set[str]]) -> None:
    for name in CATALOGUE:
        assert before[name] - after[name] == set(), f"{name}: gone or changed"
        if name not in ADDED:
            assert after[name] - before[name] == set(), f"{name}: not ours to add to"
    known = (*OUR_NAMES, "supabase_migrations", "pg_toast")
    unknown = [
        row
        for name in ("relations", "columns", "triggers", "constraints")
        for row in after[name] - before[name]
        if not any(ours in row for ours in known)
    ]
    assert unknown == []


def test_an_empty_project(new_project: str, workdir: Path, push: Callable[[], None]) -> None:
    before = catalogue(new_project)
    add_ours(workdir)
    push()
    assert_nothing_of_theirs_changed(before, catalogue(new_project))


def test_a_project_with_a_life_of_its_own(new_project: str, workdir: Path, push: Callable[[], None]) -> None:
    add_theirs(workdir, THEIR_PROJECT)
    push()
    before = catalogue(new_project)
    add_ours(workdir)
    push()
    after = catalogue(new_project)
    assert_nothing_of_theirs_changed(before, after)
    assert after["policies"] > before["policies"]


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
    server: Postgres, new_project: str, workdir: Path, push: Callable[[], None], misdeed: str, words: str
) -> None:
    """It says so at once, and what to do, and not after twenty files, in Postgres's words."""
    theirs = server.url(SUPERUSER).rsplit("/", 1)[0] + "/" + new_project.rsplit("/", 1)[1]
    with psycopg.connect(theirs, autocommit=True) as connection:
        connection.execute(misdeed.encode())
    add_theirs(workdir, "select 1;")
    push()
    before = catalogue(new_project)
    add_ours(workdir)
    with pytest.raises(StartError) as refused:
        push()
    assert words in str(refused.value)
    assert catalogue(new_project) == before


def test_careless_policies_of_theirs_open_nothing_of_ours(
    new_project: str, workdir: Path, push: Callable[[], None]
) -> None:
    add_theirs(workdir, THEIR_PROJECT)
    add_ours(workdir)
    push()
    session = "0b3f9a52-7a1f-4f07-9c4e-1f7a3b8a6f11"
    topics = ["chat:worker", f"chat:{session}", f"chat:{session.upper()}"]
    with psycopg.connect(new_project, autocommit=True) as connection:
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


@pytest.mark.parametrize(
    ("theirs", "name"),
    [
        ("create table public.posts (id int);", "public.posts"),
        ("create view public.chat_messages as select 1 as one;", "public.chat_messages"),
        ("create schema private; create table private.reply_queue (id int);", "private.reply_queue"),
        ("create schema private; create table private.workers (id int);", "private.workers"),
        (
            "create function public.cancel_reply(a int) returns int language sql as 'select a';",
            "public.cancel_reply()",
        ),
        (
            "create schema private; create function private.max_calls() returns integer language sql as 'select 1';",
            "private.max_calls",
        ),
        (
            "create schema analytics; create view analytics.cost_by_day as select 1 as one;",
            "analytics.cost_by_day",
        ),
    ],
    ids=["table", "view", "private table", "workers", "function", "private function", "view of analytics"],
)
def test_a_name_that_is_taken_is_refused_and_nothing_stays_behind(
    new_project: str, workdir: Path, push: Callable[[], None], theirs: str, name: str
) -> None:
    add_theirs(workdir, theirs)
    push()
    before = catalogue(new_project)
    add_ours(workdir)
    with pytest.raises(StartError) as refused:
        push()
    assert "PostBro Chat was not installed: this database already has" in str(refused.value)
    assert name in str(refused.value)
    assert catalogue(new_project) == before


def test_every_name_of_ours_is_looked_for(new_project: str, workdir: Path, push: Callable[[], None]) -> None:
    """A name that the first migration does not look for would stop a later one halfway."""
    add_ours(workdir)
    push()
    with psycopg.connect(new_project) as connection:
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


def test_the_advisors_have_no_warning(new_project: str, workdir: Path, push: Callable[[], None]) -> None:
    add_ours(workdir)
    push()
    result = subprocess.run(
        [
            str(CLI),
            "db",
            "advisors",
            f"--workdir={workdir}",
            f"--remote={new_project}",
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


def test_a_second_push_has_nothing_to_do(new_project: str, workdir: Path, push: Callable[[], None]) -> None:
    add_ours(workdir)
    push()
    before = catalogue(new_project)
    assert migrations.apply(new_project, workdir) is False
    assert catalogue(new_project) == before


def test_a_user_can_be_deleted(new_project: str, workdir: Path, push: Callable[[], Any]) -> None:
    """No object of ours is in the way: a user goes with all that is theirs."""
    add_ours(workdir)
    push()
    with psycopg.connect(new_project, autocommit=True) as connection:
        connection.execute("insert into auth.users (id) values ('0b3f9a52-7a1f-4f07-9c4e-1f7a3b8a6f11')")
        connection.execute(
            "insert into public.posts (user_id, platform, url) select id, 'instagram', 'x' from auth.users"
        )
        connection.execute("delete from auth.users")
        assert connection.execute("select count(*) from public.posts").fetchone() == (0,)
