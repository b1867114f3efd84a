"""What the database tells of its installation, and that the check's list of what should be there is whole."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.database import Connection, one_row
from tests.support.people import Chat, People
from worker.check import broadcasts, expected, installation
from worker.local.stack import Stack
from worker.local.supabase.passwords import SUPERUSER

OURS = "n.nspname in ('public', 'private', 'analytics') and pg_get_userbyid({owner}) = 'postgres'"
NAMES = {"relations": [*expected.RELATIONS, expected.CHANNELS], "functions": list(expected.FUNCTIONS)}


@pytest.fixture
def facts(quiet: None, people: People) -> installation.Facts:
    answer = people.service().post("/rpc/check_installation", json=NAMES)
    assert answer.status_code == 200, answer.text
    found: installation.Facts = answer.json()
    return found


def test_a_fresh_installation_has_nothing_wrong(facts: installation.Facts) -> None:
    found = installation.judge(facts, installation.versions(), local=False)
    assert [finding for finding in found if finding.level != "ok"] == []


def test_every_relation_policy_and_trigger_is_expected(facts: installation.Facts, database: Connection) -> None:
    rows = database.execute(
        f"""select n.nspname || '.' || c.relname as name from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm') and {OURS.format(owner="c.relowner")}"""
    ).fetchall()
    assert {row["name"] for row in rows} == expected.RELATIONS.keys()
    for name, relation in expected.RELATIONS.items():
        found = facts["relations"][name]
        assert found["policies"] == relation.policies, name
        assert found["triggers"] == dict.fromkeys(relation.triggers, True), name
        assert found["published"] == relation.published, name
        assert {role: set(rights) for role, rights in found["rights"].items()} == relation.rights, name
        assert found["row_level_security"] != relation.view, name
    assert facts["relations"][expected.CHANNELS]["policies"] == expected.CHANNEL_POLICIES


def test_every_function_that_somebody_may_execute_is_expected(database: Connection) -> None:
    rows = database.execute(
        f"""select n.nspname || '.' || p.proname as name, array(
            select private.role_name(a.grantee) from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
            where a.grantee <> p.proowner) as roles
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where {OURS.format(owner="p.proowner")}"""
    ).fetchall()
    assert {row["name"]: row["roles"] for row in rows if row["roles"]} == {
        name: [role] for name, role in expected.FUNCTIONS.items()
    }


def test_what_is_not_there_is_null(people: People) -> None:
    names = {"relations": ["public.nothing", "nowhere.at_all"], "functions": ["public.nothing"]}
    facts = people.service().post("/rpc/check_installation", json=names).json()
    assert facts["relations"] == {"public.nothing": None, "nowhere.at_all": None}
    assert facts["functions"] == {"public.nothing": None}


def test_users_may_not_ask(people: People) -> None:
    chat: Chat = people.make_chat()
    refused = people.signed_in(chat.user).post("/rpc/check_installation", json=NAMES)
    assert (refused.status_code, refused.json()["code"]) == (403, "42501")
    assert people.anon().post("/rpc/check_installation", json=NAMES).status_code == 401


def broadcast_facts(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    row = one_row(connection.execute("select public.check_installation('[]', '[]') as facts"))
    return dict(row["facts"])


@pytest.fixture
def realtimes_own(stack: Stack) -> Iterator[psycopg.Connection[Any]]:
    """Who may spoil Realtime's own objects; whatever it does there is undone at the end."""
    url = stack.postgres.url(SUPERUSER)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("set local lock_timeout = '20s'")
        yield connection
        connection.rollback()


def test_a_broadcast_that_is_stored_is_told(realtimes_own: psycopg.Connection[Any]) -> None:
    facts = broadcast_facts(realtimes_own)
    assert facts["broadcast"] == {"stored": True, "refused": None}
    assert facts["broadcasts"]["missing_partitions"] == []
    assert facts["broadcasts"]["publications"].keys() == {broadcasts.BROADCASTS, broadcasts.ROW_CHANGES}
    assert facts["pg_cron"] is False


@pytest.mark.parametrize(
    ("misdeed", "refused"),
    [
        pytest.param("drop table realtime.messages_{today}", "23514", id="no partition for today"),
        pytest.param(
            "revoke insert on realtime.messages from postgres, anon, authenticated, service_role;"
            "revoke supabase_realtime_admin from postgres",
            "42501",
            id="no right to write",
        ),
        pytest.param(
            """create function pg_temp.refuse() returns trigger language plpgsql as
               'begin raise sqlstate ''53100''; end';
               create trigger refuse before insert on realtime.messages
               for each row execute function pg_temp.refuse()""",
            "53100",
            id="a full disk",
        ),
        pytest.param("alter table realtime.messages rename to elsewhere", "42P01", id="no table"),
    ],
)
def test_why_a_broadcast_is_not_stored(realtimes_own: psycopg.Connection[Any], misdeed: str, refused: str) -> None:
    """realtime.send says nothing of it: it warns, and the transaction goes on."""
    realtimes_own.execute(misdeed.format(today=f"{datetime.now(UTC):%Y_%m_%d}"))
    facts = broadcast_facts(realtimes_own)

    assert facts["broadcast"] == {"stored": False, "refused": refused}
    [finding, *_] = broadcasts.judge({**facts, "relations": {}})
    assert finding.level == "problem"
    assert broadcasts.REFUSALS[refused][0] in finding.words


def test_a_partition_that_will_be_missing_tomorrow(realtimes_own: psycopg.Connection[Any]) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    realtimes_own.execute(f"drop table realtime.messages_{tomorrow:%Y_%m_%d}")

    assert broadcast_facts(realtimes_own)["broadcasts"]["missing_partitions"] == [f"{tomorrow:%Y-%m-%d}"]


def test_publications_as_they_are(realtimes_own: psycopg.Connection[Any]) -> None:
    realtimes_own.execute(f"drop publication {broadcasts.BROADCASTS}")
    realtimes_own.execute(f"alter publication {broadcasts.ROW_CHANGES} set (publish = 'insert')")

    assert broadcast_facts(realtimes_own)["broadcasts"]["publications"] == {
        broadcasts.ROW_CHANGES: {"insert": True, "update": False, "delete": False, "broadcasts": False}
    }


def test_what_is_not_cleared_away_is_told(realtimes_own: psycopg.Connection[Any]) -> None:
    realtimes_own.execute("create table realtime.messages_left partition of realtime.messages default")
    realtimes_own.execute(
        """insert into realtime.messages (topic, extension, private, inserted_at)
        values ('somebody''s', 'broadcast', true, now() - interval '12 days')"""
    )

    assert 11.9 < broadcast_facts(realtimes_own)["broadcasts"]["oldest_days"] < 12.1
