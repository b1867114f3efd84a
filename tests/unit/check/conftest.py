"""What a database tells of itself in which everything is right."""

from typing import Any

import pytest

from worker.check import expected

Facts = dict[str, Any]


@pytest.fixture
def facts() -> Facts:
    relations = {
        name: {
            "row_level_security": not relation.view,
            "published": relation.published,
            "rights": {role: sorted(rights) for role, rights in relation.rights.items()},
            "policies": dict(relation.policies),
            "triggers": dict.fromkeys(relation.triggers, True),
        }
        for name, relation in expected.RELATIONS.items()
    }
    relations[expected.CHANNELS] = {
        "row_level_security": True,
        "published": False,
        "rights": {"anon": ["select"]},
        "policies": {**expected.CHANNEL_POLICIES, "Somebody's own": "permissive select to public"},
        "triggers": {},
    }
    return {
        "migrations": ["20260101000000", "20260102000000"],
        "workers": [],
        "demo_account": False,
        "relations": relations,
        "functions": {name: {"roles": [role]} for name, role in expected.FUNCTIONS.items()},
        "roles_of_users": ["anon", "authenticated", "member"],
        "schemas": {},
        "open_views": {},
    }
