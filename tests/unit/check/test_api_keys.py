"""Keys, judged by what they say of themselves."""

import base64
import json

import pytest

from worker.check import api_keys

URL = "https://abc.supabase.co"
SECRET, PUBLISHABLE = "sb_secret_7f3a", "sb_publishable_7f3a"


def legacy(role: str, ref: str = "abc") -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"role": role, "ref": ref}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln7f3a"


@pytest.mark.parametrize(
    ("secret", "publishable", "levels", "words"),
    [
        (SECRET, PUBLISHABLE, ["ok", "ok"], "SUPABASE_SECRET_KEY is a secret key"),
        (SECRET, None, ["ok", "ok"], "SUPABASE_PUBLISHABLE_KEY is not set"),
        (PUBLISHABLE, SECRET, ["problem"], "are swapped"),
        (legacy("anon"), legacy("service_role"), ["problem"], "are swapped"),
        (PUBLISHABLE, PUBLISHABLE, ["problem", "ok"], "SUPABASE_SECRET_KEY is a publishable key"),
        (SECRET, SECRET, ["ok", "problem"], "SUPABASE_PUBLISHABLE_KEY is a secret key"),
        (legacy("anon"), None, ["problem", "ok"], "is a legacy key (JWT) of the role anon"),
        (legacy("service_role"), None, ["warning", "ok"], "is a legacy key (JWT) of the role service_role"),
        (legacy("service_role", "xyz"), None, ["problem", "ok"], "is of the project xyz, SUPABASE_URL names abc"),
        (SECRET, legacy("anon"), ["ok", "warning"], "is a legacy key (JWT) of the role anon: it works as long as"),
        (SECRET, legacy("authenticated"), ["ok", "problem"], "the chat page refuses to start with it"),
        ("nonsense", None, ["problem", "ok"], "SUPABASE_SECRET_KEY is no key of Supabase"),
        ("a.b.c", None, ["problem", "ok"], "SUPABASE_SECRET_KEY is no key of Supabase"),
        ("a.é.c", None, ["problem", "ok"], "SUPABASE_SECRET_KEY is no key of Supabase"),
    ],
)
def test_each_kind_is_named(secret: str, publishable: str | None, levels: list[str], words: str) -> None:
    found = api_keys.judge(URL, secret, publishable)
    assert [finding.level for finding in found] == levels
    assert words in " ".join(finding.words for finding in found)
    assert "7f3a" not in " ".join(finding.line for finding in found)
