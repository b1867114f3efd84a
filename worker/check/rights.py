"""Compares the privileges of every role on our objects with what the migrations grant."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from worker.check import expected
from worker.check.findings import Finding

Rights = Collection[str]

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def judge(facts: dict[str, Any]) -> Iterator[Finding]:
    """`facts`: the JSON that check_installation returns."""
    if "roles_of_users" not in facts:
        words = "The schema is of another version: who may do what was not looked at."
        yield Finding("skipped", "rights", words)
        return
    users = {"public", *facts["roles_of_users"]}
    yield from _on_relations(facts["relations"], users)
    yield from _on_functions(facts["functions"], users)
    yield from _on_schemas(facts["schemas"])
    yield from _through_views(facts["open_views"])


def _on_relations(relations: dict[str, Any], users: Collection[str]) -> Iterator[Finding]:
    for name, wanted in expected.RELATIONS.items():
        if (found := relations.get(name)) is None:
            continue  # reported with the tables
        for role in sorted({*found["rights"], *wanted.rights}):
            may, should = set(found["rights"].get(role, ())), wanted.rights.get(role, set())
            if more := may - should:
                # Revoking a privilege on a table also revokes it on the columns: grant the expected ones again.
                back = {right for right in should if right.partition(" (")[0] in more}
                yield _too_much(role, more, f"table {name}", role in users, back)
            if less := should - may:
                yield _too_little(role, less, f"table {name}")


def _on_functions(functions: dict[str, Any], users: Collection[str]) -> Iterator[Finding]:
    for name, role in expected.FUNCTIONS.items():
        if (found := functions.get(name)) is None:
            yield Finding("problem", "rights", f"The function {name} is missing.", "Run `supabase db push --remote`.")
            continue
        if role not in found["roles"]:
            yield _too_little(role, {"execute"}, f"function {name}")
        if role != "public":
            for other in sorted({*found["roles"]} - {role}):
                yield _too_much(other, {"execute"}, f"function {name}", other in users)


def _on_schemas(schemas: dict[str, Any]) -> Iterator[Finding]:
    """Warnings only: the project may have had a schema of that name, with its own grants, before."""
    for name, roles in schemas.items():
        for role, rights in sorted(roles.items()):
            words = f"{_who(role)} has {_listed(rights)} on the schema {name}, and nothing of ours needs that."
            remedy = (
                f"Unless something of yours does, run: revoke {_listed(rights)} on schema {name} from {_named(role)};"
            )
            yield Finding("warning", "rights", words, remedy)


def _through_views(views: dict[str, Any]) -> Iterator[Finding]:
    for name, found in sorted(views.items()):
        roles = ", ".join(map(_named, found["roles"]))
        words = f"The view {name} reads our rows past their policies: {roles} see everybody's."
        remedy = f"alter view {name} set (security_invoker = true);"
        if found["materialized"]:
            remedy = f"revoke all on {name} from {roles}, public;"
        yield Finding("problem", "rights", words, f"Run: {remedy}")


def _too_much(role: str, more: Rights, of: str, is_users: bool, back: Rights = ()) -> Finding:
    words = f"{_who(role)} may {_listed(more)} {_name(of)}, and should not."
    remedy = f"un: revoke {_listed(more)} on {of} from {_named(role)};"
    if back:
        remedy += f" grant {_listed(back)} on {of} to {_named(role)};"
    if is_users:
        return Finding("problem", "rights", words, f"R{remedy}")
    return Finding("warning", "rights", words, f"Make sure that it is meant, or r{remedy}")


def _too_little(role: str, less: Rights, of: str) -> Finding:
    words = f"{_who(role)} may not {_listed(less)} {_name(of)}."
    return Finding("problem", "rights", words, f"Run: grant {_listed(less)} on {of} to {_named(role)};")


def _name(of: str) -> str:
    """ "table public.posts" → "on public.posts"; "function f" → "f"."""
    kind, name = of.split()
    return name if kind == "function" else f"on {name}"


def _listed(rights: Rights) -> str:
    return ", ".join(sorted(rights))


def _who(role: str) -> str:
    return "Everybody" if role == "public" else role


def _named(role: str) -> str:
    """As an SQL identifier."""
    return role if _PLAIN_NAME.fullmatch(role) else '"{}"'.format(role.replace('"', '""'))
