"""What documents say of the database: their SQL can be run, and their tables are those of the catalogue."""

import re
from uuid import uuid4

import psycopg
import pytest

from tests.support.database import Connection
from tests.support.documents import ROOT, examples, names, rows
from tests.support.people import People

MIGRATIONS = "".join(file.read_text() for file in sorted((ROOT / "supabase/migrations").glob("*.sql")))
PLANS = re.compile(r"insert into public\.plans \(\s*(.*?)\)\s*values\s*(.*?);", re.DOTALL)


def test_a_backend_writes_a_post_and_its_analysis_as_the_document_says(database: Connection, people: People) -> None:
    user = people.make_user()
    email = f"{uuid4()}@example.test"
    database.execute("update auth.users set email = %s where id = %s", [email, user.id])
    [example] = examples("Posts and analyses", "sql")
    assert "demo@postbro.test" in example
    database.execute(example.replace("demo@postbro.test", email))
    written = "select p.caption, a.viral_status from public.posts p join public.post_analyses a on a.post_id = p.id"
    assert database.execute(f"{written} where p.user_id = %s", [user.id]).fetchall() == [
        {"caption": "Three habits", "viral_status": "Above average."}
    ]


def test_the_repairs_by_hand_can_be_run(database: Connection, people: People) -> None:
    chat = people.make_chat()
    [example] = examples("Repairs by hand", "sql")
    asked = "select r.status from public.chat_messages m join public.chat_replies r on r.message_id = m.id"
    with database.transaction(force_rollback=True):
        database.execute(example.replace("<session id>", str(chat.session)))
        replies = database.execute(f"{asked} where m.session_id = %s", [chat.session]).fetchall()
    assert replies == [{"status": "pending"}]


def test_every_table_and_view_of_the_api_is_listed_and_no_other(database: Connection) -> None:
    ours = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')"
    listed = [name for cell, *_ in rows("Tables and rights", "table | what a row is") for name in names(cell)]
    assert sorted(listed) == sorted(row["relname"] for row in database.execute(ours))


def test_every_private_table_is_listed_and_no_other(database: Connection) -> None:
    ours = "select c.relname from pg_class c where c.relnamespace = 'private'::regnamespace and c.relkind = 'r'"
    listed = [name for cell, _ in rows("Tables and rights", "table of `private`") for name in names(cell)]
    assert sorted(listed) == sorted(row["relname"] for row in database.execute(ours))


def test_every_view_of_the_figures_is_listed_and_no_other(database: Connection) -> None:
    ours = "select c.relname from pg_class c where c.relnamespace = 'analytics'::regnamespace and c.relkind = 'v'"
    listed = [name for cell, _ in rows("Figures") for name in names(cell)]
    assert sorted(listed) == sorted(row["relname"] for row in database.execute(ours))


def test_the_functions_of_users_are_listed(database: Connection) -> None:
    granted = """select p.proname from pg_proc p where p.pronamespace = 'public'::regnamespace
        and has_function_privilege('authenticated', p.oid, 'execute')
        and not exists (select from pg_class v where v.relname = p.proname and v.relkind = 'v')"""
    listed = [name.split("(")[0] for cell, _ in rows("Functions for users") for name in names(cell)]
    assert sorted(listed) == sorted(row["proname"] for row in database.execute(granted))


@pytest.mark.parametrize("plan", ["free", "pro"])
def test_the_limits_of_the_plans_are_those_of_the_migrations(database_url: str, plan: str) -> None:
    """The stack of the tests takes some off, so the migrations' own are read from their statement."""
    with psycopg.connect(database_url) as connection:
        columns = connection.execute(
            """select attname from pg_attribute where attrelid = 'public.plans'::regclass
            and attnum > 0 and not attisdropped and attname <> 'name'"""
        ).fetchall()
    table = rows("Plans and caps")
    assert sorted(name for cell, *_ in table for name in names(cell)) == sorted(name for (name,) in columns)
    [statement] = PLANS.findall(MIGRATIONS)
    order = [name.strip() for name in statement[0].split(",")]
    values = dict(re.findall(r"\('(\w+)', ([\d, ]+)\)", statement[1]))
    limits = dict(zip(order[1:], values[plan].split(", "), strict=True))
    place = 1 + ["free", "pro"].index(plan)
    assert {names(cells[0])[0]: cells[place] for cells in table if cells[place]} == limits
