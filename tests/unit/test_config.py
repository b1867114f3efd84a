"""Settings: all problems at once, by name, and no secret anywhere."""

import base64
import json
import secrets
from uuid import uuid4

import pytest
from pydantic import ValidationError

from worker import ops_token
from worker.check.command import CheckSettings
from worker.config import WebSettings, WorkerSettings, load
from worker.errors import ConfigError

SECRET = "sb_secret_7f3a"
KEY = "gemini-key-7f3a"
GOOD = {
    "SUPABASE_URL": "https://abc.supabase.co",
    "SUPABASE_SECRET_KEY": SECRET,
    "GEMINI_API_KEY": KEY,
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_abc",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch, tmp_path):
    for name in {*WorkerSettings.model_fields, *WebSettings.model_fields}:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def environment(monkeypatch):
    """Call it with names and values; None takes a name away."""

    def put(**values):
        for name, value in {**GOOD, **values}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return put


def test_the_environment_is_read(environment):
    environment(WORKER_CONCURRENCY="7", LEASE_SECONDS="4.5")

    settings = load(WorkerSettings)

    assert settings.supabase_url == "https://abc.supabase.co"
    assert settings.supabase_secret_key.get_secret_value() == SECRET
    assert settings.gemini_api_key.get_secret_value() == KEY
    assert (settings.worker_concurrency, settings.lease_seconds) == (7, 4.5)


def test_dot_env_is_read_and_the_environment_wins(tmp_path, monkeypatch):
    lines = [*(f"{name}={value}" for name, value in GOOD.items()), "HEALTH_PORT=1", "WORKER_CONCURRENCY=3"]
    (tmp_path / ".env").write_text("\n".join([*lines, "SOMETHING_ELSE=x"]))
    monkeypatch.setenv("HEALTH_PORT", "2")

    settings = load(WorkerSettings)

    assert (settings.health_port, settings.worker_concurrency) == (2, 3)


def test_an_empty_value_is_no_value(environment):
    environment(WORKER_CONCURRENCY="", GEMINI_BASE_URL="", GEMINI_API_KEY="")

    with pytest.raises(ConfigError, match="GEMINI_API_KEY: Field required") as caught:
        load(WorkerSettings)

    assert str(caught.value).count("\n") == 1


def test_all_problems_are_told_at_once_by_name_and_purpose(environment):
    environment(
        SUPABASE_URL="abc.supabase.co",
        SUPABASE_SECRET_KEY=None,
        GEMINI_BASE_URL="localhost:54324",
        WORKER_CONCURRENCY="0",
        LEASE_SECONDS="soon",
        HEALTH_PORT="65536",
    )

    with pytest.raises(ConfigError) as caught:
        load(WorkerSettings)

    lines = str(caught.value).splitlines()[1:]
    assert [line.strip().split(":")[0] for line in lines] == [
        "SUPABASE_URL",
        "SUPABASE_SECRET_KEY",
        "GEMINI_BASE_URL",
        "WORKER_CONCURRENCY",
        "LEASE_SECONDS",
        "HEALTH_PORT",
    ]
    assert "sb_secret_…; it stays in the worker." in lines[1]


@pytest.mark.parametrize("replies", ["0", "401"])
def test_a_worker_answers_a_bounded_number_of_replies_at_the_same_time(environment, replies):
    environment(WORKER_CONCURRENCY="400")
    assert load(WorkerSettings).worker_concurrency == 400

    environment(WORKER_CONCURRENCY=replies)
    with pytest.raises(ConfigError, match="WORKER_CONCURRENCY"):
        load(WorkerSettings)


def test_no_secret_in_any_form_of_the_settings(environment):
    environment()
    settings = load(WorkerSettings)

    for shown in (repr(settings), str(settings), settings.model_dump_json(), f"{settings.model_dump()}"):
        assert SECRET not in shown
        assert KEY not in shown


def test_no_secret_in_an_error(environment):
    environment(SUPABASE_URL=SECRET, WORKER_CONCURRENCY=KEY, LEASE_SECONDS="1")

    with pytest.raises(ConfigError) as caught:
        load(WorkerSettings)

    error = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__
    for shown in (str(error), repr(error), str(error.__context__), repr(error.__context__)):
        assert "7f3a" not in shown


def test_settings_are_frozen(environment):
    environment()
    settings = load(WorkerSettings)

    with pytest.raises(ValidationError, match="frozen"):
        settings.worker_concurrency = 1


@pytest.mark.parametrize("kind", [WorkerSettings, WebSettings])
@pytest.mark.parametrize("name", ["SUPABASE_URL", "HEALTH_PORT", "WEB_PORT"])
def test_each_command_asks_only_for_its_own(environment, kind, name):
    environment(**{name: "nonsense"})

    if name.lower() in kind.model_fields:
        with pytest.raises(ConfigError, match=name):
            load(kind)
    else:
        load(kind)


@pytest.mark.parametrize("key", [SECRET, "eyJhbGciOiJIUzI1NiJ9.7f3a.x", f"x{GOOD['SUPABASE_PUBLISHABLE_KEY']}"])
def test_a_secret_is_refused_where_browsers_would_get_it(environment, key):
    environment(SUPABASE_PUBLISHABLE_KEY=key)

    with pytest.raises(ConfigError, match="SUPABASE_PUBLISHABLE_KEY") as caught:
        load(WebSettings)

    assert "7f3a" not in str(caught.value)


def legacy(role):
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.7f3a"


def test_the_page_takes_a_legacy_key_as_the_worker_does(environment):
    environment(SUPABASE_PUBLISHABLE_KEY=legacy("anon"), SUPABASE_SECRET_KEY=legacy("service_role"))

    assert load(WebSettings).supabase_publishable_key == legacy("anon")
    assert load(WorkerSettings).supabase_secret_key.get_secret_value() == legacy("service_role")

    environment(SUPABASE_PUBLISHABLE_KEY=legacy("service_role"))
    with pytest.raises(ConfigError, match="It must begin with sb_publishable_, or be a legacy key of the role anon"):
        load(WebSettings)


@pytest.mark.parametrize(
    ("kind", "name", "value", "words"),
    [
        (WorkerSettings, "SUPABASE_URL", "abc.supabase.co", "It must begin with http:// or https://. The project"),
        (WorkerSettings, "GEMINI_MODELS", ",", "It names nothing. Models"),
        (WebSettings, "SUPABASE_PUBLISHABLE_KEY", "nonsense", "It must begin with sb_publishable_, or be"),
        (WorkerSettings, "GEMINI_RATE_LIMIT", "60", "GEMINI_RATE_LIMIT: [A-Z].*calls/seconds"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_no_pattern(environment, kind, name, value, words):
    environment(**{name: value})

    with pytest.raises(ConfigError, match=words) as caught:
        load(kind)
    assert "pattern" not in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_web_settings_have_no_secret(environment):
    environment()

    assert SECRET not in f"{load(WebSettings).model_dump()}"
    assert not any("secret" in name or "gemini" in name for name in WebSettings.model_fields)


def test_models_are_a_list_in_order(environment):
    environment(GEMINI_MODELS=" one, two,,three ")

    assert load(WorkerSettings).models == ["one", "two", "three"]


def test_a_list_without_a_model_is_refused(environment):
    environment(GEMINI_MODELS=" , ")

    with pytest.raises(ConfigError, match="GEMINI_MODELS"):
        load(WorkerSettings)


@pytest.mark.parametrize(("text", "rate"), [("60/60", (60, 60.0)), ("15 / 0.5", (15, 0.5)), ("", None), (None, None)])
def test_the_limit_of_calls_is_a_number_in_so_many_seconds(environment, text, rate):
    environment(GEMINI_RATE_LIMIT=text)

    assert load(WorkerSettings).rate_limit == rate


@pytest.mark.parametrize("text", ["60", "60/minute", "0/60", "60/0", "-1/60", "60/60/60"])
def test_a_limit_of_another_form_is_refused_with_an_example(environment, text):
    environment(GEMINI_RATE_LIMIT=text)

    with pytest.raises(ConfigError, match=r"GEMINI_RATE_LIMIT: .*the form calls/seconds.* such as 60/60"):
        load(WorkerSettings)


def test_a_question_waits_ten_minutes_unless_told_otherwise(environment):
    environment()
    assert load(WorkerSettings).reply_max_wait_seconds == 600

    environment(REPLY_MAX_WAIT_SECONDS="7.5")
    assert load(WorkerSettings).reply_max_wait_seconds == 7.5

    environment(REPLY_MAX_WAIT_SECONDS="0")
    with pytest.raises(ConfigError, match="REPLY_MAX_WAIT_SECONDS"):
        load(WorkerSettings)


@pytest.mark.parametrize("seconds", ["5", "0.5", "9.99", "0", "-1"])
def test_a_deadline_that_gemini_refuses_is_refused_at_start(environment, seconds):
    environment(REPLY_DEADLINE_SECONDS=seconds, MODEL_FIRST_TOKEN_SECONDS="0.1")

    with pytest.raises(
        ConfigError, match=r"REPLY_DEADLINE_SECONDS: .*greater than or equal to 10.*refuses every call"
    ):
        load(WorkerSettings)


def test_the_shortest_deadline(environment):
    environment(REPLY_DEADLINE_SECONDS="10", MODEL_FIRST_TOKEN_SECONDS="10")

    assert load(WorkerSettings).reply_deadline_seconds == 10


@pytest.mark.parametrize(("deadline", "first"), [("14", None), ("30", "31"), (None, "121")])
def test_a_first_word_later_than_the_deadline_is_refused(environment, deadline, first):
    environment(REPLY_DEADLINE_SECONDS=deadline, MODEL_FIRST_TOKEN_SECONDS=first)

    with pytest.raises(ConfigError, match=r"MODEL_FIRST_TOKEN_SECONDS: .*not be above REPLY_DEADLINE_SECONDS, which"):
        load(WorkerSettings)


def test_of_a_deadline_that_cannot_be_read_only_that_is_told(environment):
    environment(REPLY_DEADLINE_SECONDS="soon")

    with pytest.raises(ConfigError) as caught:
        load(WorkerSettings)

    assert str(caught.value).count("\n") == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "worker.internal"])
def test_the_operators_page_is_never_open_to_others(environment, host):
    environment(OPS_HOST=host)

    with pytest.raises(ConfigError, match=rf"OPS_TOKEN: .*required, since OPS_HOST is {host} .*worker ops-token"):
        load(WorkerSettings)

    token = ops_token.make()
    environment(OPS_HOST=host, OPS_TOKEN=token)
    assert load(WorkerSettings).ops_host == host
    assert token not in repr(load(WorkerSettings))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_this_machine_alone_it_needs_no_token(environment, host):
    environment(OPS_HOST=host)

    assert load(WorkerSettings).ops_token is None


def test_health_alone_may_be_open_to_others_without_a_token(environment):
    environment(HEALTH_HOST="0.0.0.0")

    assert load(WorkerSettings).ops_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("correct-horse-battery", "It has 21 characters"),
        ("7f3a" * 16, "few different characters"),
        ("0123456789abcdef" * 2, "repeats itself"),
        ("b4Xq-7f3aZs0LkWm 9tRy2Vh5Nc8Pd1Gj6EuQo", "blanks"),
        ("b4Xq-7f3aZs0LkWm\u00e99tRy2Vh5Nc8Pd1Gj6EuQo", "no header carries"),
    ],
)
@pytest.mark.parametrize("kind", [WorkerSettings, CheckSettings])
def test_a_token_that_can_be_guessed_is_refused_with_what_to_do(environment, token, words, kind):
    environment(OPS_TOKEN=token)

    with pytest.raises(ConfigError, match=rf"OPS_TOKEN: .*{words}.*`python -m worker ops-token`") as caught:
        load(kind)

    assert token not in str(caught.value)


@pytest.mark.parametrize("make", [ops_token.make, lambda: secrets.token_hex(16), lambda: str(uuid4())])
def test_a_token_that_was_drawn_by_lot_is_taken(environment, make):
    for _ in range(50):
        environment(OPS_TOKEN=(token := make()))
        assert load(WorkerSettings).ops_token.get_secret_value() == token
