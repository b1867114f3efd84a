"""Rights as a database tells them, judged: of every role, whatever its name."""

from typing import Any

import pytest

from worker.check import installation, rights

Facts = dict[str, Any]


def told(facts: Facts) -> list[tuple[str, str, str]]:
    return [(finding.level, finding.words, finding.remedy) for finding in rights.judge(facts)]


def test_nothing_is_wrong(facts: Facts) -> None:
    assert told(facts) == []


@pytest.mark.parametrize(
    ("role", "who", "named", "level"),
    [
        ("anon", "anon", "anon", "problem"),
        ("member", "member", "member", "problem"),
        ("public", "Everybody", "public", "problem"),
        ("service_role", "service_role", "service_role", "warning"),
        ('Metabase "BI"', 'Metabase "BI"', '"Metabase ""BI"""', "warning"),
    ],
)
def test_a_right_too_many_is_told_of_every_role_and_worse_where_users_have_it(
    facts: Facts, role: str, who: str, named: str, level: str
) -> None:
    granted = facts["relations"]["public.chat_sessions"]["rights"]
    granted[role] = [*granted.get(role, []), "truncate", "update (last_turn)"]
    [(found, words, remedy)] = told(facts)
    assert (found, words) == (
        level,
        f"{who} may truncate, update (last_turn) on public.chat_sessions, and should not.",
    )
    assert remedy.endswith(f"un: revoke truncate, update (last_turn) on table public.chat_sessions from {named};")


def test_what_goes_with_a_revoked_right_is_granted_again(facts: Facts) -> None:
    """Revoked of a table, a right is gone from its columns, too."""
    facts["relations"]["public.chat_sessions"]["rights"]["authenticated"].append("update")
    [(_, _, remedy)] = told(facts)
    assert remedy == (
        "Run: revoke update on table public.chat_sessions from authenticated;"
        " grant update (status) on table public.chat_sessions to authenticated;"
    )


def test_a_right_too_few_is_a_problem(facts: Facts) -> None:
    facts["relations"]["public.chat_sessions"]["rights"]["authenticated"].remove("update (status)")
    assert told(facts) == [
        (
            "problem",
            "authenticated may not update (status) on public.chat_sessions.",
            "Run: grant update (status) on table public.chat_sessions to authenticated;",
        )
    ]


@pytest.mark.parametrize(
    ("name", "roles", "words"),
    [
        (
            "public.claim_replies",
            ["service_role", "member"],
            ["member may execute public.claim_replies, and should not."],
        ),
        (
            "public.claim_replies",
            ["service_role", "public"],
            ["Everybody may execute public.claim_replies, and should not."],
        ),
        ("public.claim_replies", [], ["service_role may not execute public.claim_replies."]),
        ("private.is_own_channel", ["public", "member"], []),
        ("private.is_own_channel", ["authenticated"], ["Everybody may not execute private.is_own_channel."]),
    ],
)
def test_who_may_execute_a_function(facts: Facts, name: str, roles: list[str], words: list[str]) -> None:
    facts["functions"][name]["roles"] = roles
    assert [found for _, found, _ in told(facts)] == words


def test_rights_on_a_schema_may_be_meant(facts: Facts) -> None:
    facts["schemas"] = {"private": {"authenticated": ["usage"]}}
    assert told(facts) == [
        (
            "warning",
            "authenticated has usage on the schema private, and nothing of ours needs that.",
            "Unless something of yours does, run: revoke usage on schema private from authenticated;",
        )
    ]


@pytest.mark.parametrize(
    ("materialized", "remedy"),
    [
        (False, "Run: alter view reports.talk set (security_invoker = true);"),
        (True, "Run: revoke all on reports.talk from anon, member, public;"),
    ],
)
def test_a_view_past_our_policies(facts: Facts, materialized: bool, remedy: str) -> None:
    facts["open_views"] = {"reports.talk": {"roles": ["anon", "member"], "materialized": materialized}}
    words = "The view reports.talk reads our rows past their policies: anon, member see everybody's."
    assert told(facts) == [("problem", words, remedy)]


def test_a_schema_of_another_version_is_not_called_well(facts: Facts) -> None:
    del facts["roles_of_users"]
    [(level, words, _)] = told(facts)
    assert (level, words) == ("skipped", "The schema is of another version: who may do what was not looked at.")


def test_rights_are_part_of_what_is_judged(facts: Facts) -> None:
    facts["relations"]["public.posts"]["rights"]["anon"] = ["select"]
    found = installation.judge(facts, facts["migrations"], local=False)
    assert [finding.subject for finding in found if finding.level != "ok"] == ["rights"]
