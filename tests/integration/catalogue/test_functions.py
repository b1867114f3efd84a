"""Functions as the catalogue has them: a right that is not listed here is a defect."""

from typing import Any

from tests.support.catalogue import OURS, query
from tests.support.database import Connection

# Function → who may execute it, beside its owner. A function in private that is not here: nobody.
FUNCTION_RIGHTS = {
    "public.open_chat_session": {"authenticated"},
    "public.chat_reply_drafts": {"authenticated"},
    "private.own_drafts": {"authenticated"},
    # What policies ask that every role meets.
    "private.is_own_channel": {"public"},
    "private.chat_service": {"authenticated"},
    **{
        f"{schema}.{name}": {role}
        for schema in ("public", "private")
        for role, names in {
            "authenticated": ("retry_reply", "cancel_reply", "regenerate_reply", "chat_usage"),
            "service_role": (
                "register_worker",
                "claim_replies",
                "beat",
                "give_back",
                "save_drafts",
                "next_attempt",
                "complete_reply",
                "fail_reply",
                "release_replies",
                "reconcile_replies",
                "measure_spend",
                "erase_broadcasts",
                "ops_report",
                "ops_queue",
                "check_installation",
            ),
        }.items()
        for name in names
    },
}


def functions(database: Connection) -> list[dict[str, Any]]:
    return query(
        database,
        f"""select n.nspname || '.' || p.proname as name, n.nspname as schema, p.prosecdef as definer,
            p.proconfig as settings, p.prorettype = 'trigger'::regtype as is_trigger,
            obj_description(p.oid, 'pg_proc') as comment,
            array(select case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee)::text end
                from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                where a.grantee <> p.proowner) as roles
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where {OURS.format(owner="p.proowner")}""",
    )


def test_rights_on_functions(database: Connection) -> None:
    found = functions(database)
    assert {row["name"] for row in found} >= FUNCTION_RIGHTS.keys()
    seen = {row["name"]: set(row["roles"]) for row in found if row["roles"]}
    assert seen == FUNCTION_RIGHTS
    assert {row["name"] for row in found if row["schema"] == "public"} <= FUNCTION_RIGHTS.keys()


def test_every_function_has_an_empty_search_path(database: Connection) -> None:
    assert [row["name"] for row in functions(database) if 'search_path=""' not in (row["settings"] or [])] == []


def test_how_long_functions_wait_for_a_lock(database: Connection) -> None:
    """Users' commands 300 ms, a settle and a release one second; what concerns many replies waits for none.

    And erasing, which looks through all that was sent, may take longer than the API's roles are given.
    """
    settings = {row["name"]: set(row["settings"]) - {'search_path=""'} for row in functions(database)}
    commands = ("retry_reply", "cancel_reply", "regenerate_reply", "lock_user", "lock_session", "replace_question")
    settles = ("complete_reply", "fail_reply", "next_attempt", "release_replies")
    assert {name: found for name, found in settings.items() if found} == {
        **{f"private.{name}": {"lock_timeout=300ms"} for name in commands},
        **{f"private.{name}": {"lock_timeout=1s"} for name in settles},
        "public.erase_broadcasts": {"statement_timeout=60s"},
    }


def test_definers_are_private(database: Connection) -> None:
    assert [row["name"] for row in functions(database) if row["definer"] and row["schema"] == "public"] == []


def test_every_public_function_has_a_comment(database: Connection) -> None:
    assert [row["name"] for row in functions(database) if row["schema"] == "public" and not row["comment"]] == []
