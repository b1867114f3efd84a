"""What the database tells of its installation, and that the check's list of what should be there is whole."""

from typing import Any

import pytest

from tests.people import Chat, People
from worker.checks import expected, installation

OURS = "n.nspname in ('public', 'private') and pg_get_userbyid({owner}) = 'postgres'"
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


def test_every_relation_policy_and_trigger_is_expected(facts: installation.Facts, database: Any) -> None:
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
        assert found["row_level_security"] != relation.view, name
    assert facts["relations"][expected.CHANNELS]["policies"] == expected.CHANNEL_POLICIES


def test_every_function_that_somebody_may_execute_is_expected(database: Any) -> None:
    rows = database.execute(
        f"""select n.nspname || '.' || p.proname as name, array(
            select role::text from unnest(array['anon', 'authenticated', 'service_role']) as role
            where has_function_privilege(role, p.oid, 'execute')) as roles
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
