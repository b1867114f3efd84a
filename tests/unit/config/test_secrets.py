"""No secret is shown, and none is taken where browsers would get it."""

import base64
import json

import pytest

from tests.support.environment import GOOD, KEY, SECRET, Environment
from worker.config import WebSettings, WorkerSettings, load
from worker.errors import ConfigError


def test_no_secret_in_any_form_of_the_settings(environment: Environment) -> None:
    environment()
    settings = load(WorkerSettings)

    for shown in (repr(settings), str(settings), settings.model_dump_json(), f"{settings.model_dump()}"):
        assert SECRET not in shown
        assert KEY not in shown


def test_no_secret_in_an_error(environment: Environment) -> None:
    environment(SUPABASE_URL=SECRET, WORKER_CONCURRENCY=KEY, LEASE_SECONDS="1")

    with pytest.raises(ConfigError) as caught:
        load(WorkerSettings)

    error = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__
    for shown in (str(error), repr(error), str(error.__context__), repr(error.__context__)):
        assert "7f3a" not in shown


@pytest.mark.parametrize("key", [SECRET, "eyJhbGciOiJIUzI1NiJ9.7f3a.x", f"x{GOOD['SUPABASE_PUBLISHABLE_KEY']}"])
def test_a_secret_is_refused_where_browsers_would_get_it(environment: Environment, key: str) -> None:
    environment(SUPABASE_PUBLISHABLE_KEY=key)

    with pytest.raises(ConfigError, match="SUPABASE_PUBLISHABLE_KEY") as caught:
        load(WebSettings)

    assert "7f3a" not in str(caught.value)


def legacy(role: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.7f3a"


def test_the_page_takes_a_legacy_key_as_the_worker_does(environment: Environment) -> None:
    environment(SUPABASE_PUBLISHABLE_KEY=legacy("anon"), SUPABASE_SECRET_KEY=legacy("service_role"))

    assert load(WebSettings).supabase_publishable_key == legacy("anon")
    assert load(WorkerSettings).supabase_secret_key.get_secret_value() == legacy("service_role")

    environment(SUPABASE_PUBLISHABLE_KEY=legacy("service_role"))
    with pytest.raises(ConfigError, match="It must begin with sb_publishable_, or be a legacy key of the role anon"):
        load(WebSettings)


def test_web_settings_have_no_secret(environment: Environment) -> None:
    environment()

    assert SECRET not in f"{load(WebSettings).model_dump()}"
    assert not any("secret" in name or "gemini" in name for name in WebSettings.model_fields)
