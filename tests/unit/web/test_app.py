"""The Flask apps: what they hand out, and above all what they never do."""

import base64
import gzip
import json
import urllib.request
from pathlib import Path

import pytest
import structlog
from flask.testing import FlaskClient

from worker.operations.health import create_health_app, serve_in_thread
from worker.web.app import create_page_app, tell_of_address

URL = "https://abc.supabase.co"
KEY = "sb_publishable_abc"


SCRIPT = "console.log('a page');\n" * 100


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """A built page, as Vite leaves it: the real one is looked at by the browser tests."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>A page</title>")
    (tmp_path / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "assets/app-1a2b.js").write_text(SCRIPT)
    return create_page_app(URL, KEY, built=tmp_path).test_client()


def _legacy_key(role: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def test_a_living_process_is_healthy_even_when_degraded() -> None:
    health = create_health_app(lambda: {"wakeup": "The Realtime subscription is down."}, lambda: True).test_client()
    answer = health.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_ready_without_problems() -> None:
    answer = create_health_app(dict, lambda: True).test_client().get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "ready", "problems": {}})


def test_not_ready_names_the_problems() -> None:
    problems = {"wakeup": "The Realtime subscription is down."}
    answer = create_health_app(lambda: problems, lambda: True).test_client().get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"status": "degraded", "problems": problems})


def test_readiness_is_asked_at_every_request() -> None:
    problems: dict[str, str] = {}
    health = create_health_app(lambda: problems, lambda: True).test_client()
    assert health.get("/readyz").status_code == 200
    problems["database"] = "The database does not answer."
    assert health.get("/readyz").status_code == 503


def test_a_server_in_a_thread_answers_and_frees_its_port() -> None:
    server = serve_in_thread(create_health_app(dict, lambda: True), "127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz") as answer:
        assert answer.status == 200
    server.close()
    again = serve_in_thread(create_health_app(dict, lambda: True), "127.0.0.1", server.port)
    again.close()
    again.close()


def test_a_taken_port_is_named() -> None:
    server = serve_in_thread(create_health_app(dict, lambda: True), "127.0.0.1", 0)
    with pytest.raises(OSError, match=rf"Cannot listen on 127\.0\.0\.1:{server.port}: .* Choose another port"):
        serve_in_thread(create_health_app(dict, lambda: True), "127.0.0.1", server.port)
    server.close()


def test_the_page_is_alive(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}


def test_config_holds_the_two_public_values_and_nothing_else(client: FlaskClient) -> None:
    answer = client.get("/config.json")
    assert answer.json == {"supabaseUrl": URL, "publishableKey": KEY}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[", "0"])
def test_a_project_of_this_machine_is_told_to_no_page_of_another_site(host: str) -> None:
    """Whoever points a name at 127.0.0.1 would read its key, and with the demo account, spend the model's."""
    page = create_page_app("http://127.0.0.1:54321", KEY).test_client()
    answer = page.get("/config.json", headers={"Host": host})
    assert answer.status_code in (400, 403)
    assert KEY not in answer.text
    for own in ("127.0.0.1:8000", "localhost", "[::1]:8000"):
        assert page.get("/config.json", headers={"Host": own}).status_code == 200


def test_a_hosted_projects_page_has_whatever_name_its_operator_gives_it() -> None:
    page = create_page_app("https://abc.supabase.co", KEY).test_client()
    assert page.get("/config.json", headers={"Host": "chat.example.com"}).status_code == 200


@pytest.mark.parametrize("key", ["sb_secret_abc", _legacy_key("service_role")])
def test_a_secret_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="publishable key") as refusal:
        create_page_app(URL, key)
    assert key not in str(refusal.value)


@pytest.mark.parametrize("key", [_legacy_key("anon"), "a.b.c", "a.\u00e9.c"])
def test_other_keys_are_taken(key: str) -> None:
    assert create_page_app(URL, key).test_client().get("/config.json").get_json()["publishableKey"] == key


@pytest.mark.parametrize("url", ["", "abc.supabase.co", "ftp://abc", "https://a;script-src *", "https://u:p@abc"])
def test_a_url_that_could_bend_the_policy_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="Supabase URL"):
        create_page_app(url, KEY)


@pytest.mark.parametrize("path", ["/", "/config.json", "/icon.svg", "/assets/app-1a2b.js", "/nowhere"])
def test_every_answer_is_guarded(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        headers = answer.headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"
    assert policy["img-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {URL} wss://abc.supabase.co"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_a_local_project_is_reached_over_plain_sockets() -> None:
    answer = create_page_app("http://127.0.0.1:54321/", KEY).test_client().get("/config.json")
    assert (
        "connect-src 'self' http://127.0.0.1:54321 ws://127.0.0.1:54321;" in answer.headers["Content-Security-Policy"]
    )
    assert answer.get_json()["supabaseUrl"] == "http://127.0.0.1:54321"


def test_the_page_is_asked_for_anew_and_its_files_are_kept_for_ever(client: FlaskClient) -> None:
    with client.get("/") as page, client.get("/assets/app-1a2b.js") as script:
        assert page.headers["Cache-Control"] == "no-cache"
        assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert script.mimetype == "text/javascript"


def test_scripts_are_compressed(client: FlaskClient) -> None:
    with client.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "gzip"}) as script:
        assert script.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(script.data).decode() == SCRIPT


@pytest.mark.parametrize("path", ["/assets/../../app.py", "/assets/%2e%2e/%2e%2e/app.py", "/assets/missing.js"])
def test_nothing_but_built_files_is_handed_out(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_page_that_is_not_built_says_what_to_do(tmp_path: Path) -> None:
    answer = create_page_app(URL, KEY, built=tmp_path / "nowhere").test_client().get("/")
    assert answer.status_code == 503
    assert "make build" in answer.text


@pytest.mark.parametrize(
    ("project", "host", "is_told"),
    [
        ("http://127.0.0.1:54321", "0.0.0.0", True),
        ("http://localhost:54321", "192.0.2.7", True),
        ("http://127.0.0.1:54321", "127.0.0.1", False),
        ("http://192.0.2.7:54321", "0.0.0.0", False),
        (URL, "0.0.0.0", False),
    ],
)
def test_a_page_for_others_of_a_project_that_only_this_machine_reaches_is_told(
    project: str, host: str, is_told: bool
) -> None:
    with structlog.testing.capture_logs() as lines:
        tell_of_address(project, host)
    assert [line["action"] for line in lines] == (["project_is_local"] if is_told else [])
