"""The operator's page: what it hands out, to whom, and above all to whom not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from worker.errors import DatabaseAway
from worker.operations.app import create_ops_app
from worker.operations.health import create_health_app

TOKEN = "b4Xq-7f3aZs0LkWm_9tRy2Vh5Nc8Pd1Gj6EuQo"
FIGURES = {"queue": {"pending": 3}}
REBOUND = "evil.example:8001"
Opens = Callable[..., FlaskClient]


@pytest.fixture
def open_page(tmp_path: Path) -> Opens:
    """Call it with a token or None: a client of a page as Vite leaves it."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Figures</title>")
    (tmp_path / "sign-in.html").write_text("<!doctype html><title>Sign in</title>")
    (tmp_path / "assets/ops-1a2b.css").write_text("body {}")

    def opened(
        token: str | None,
        read_figures: Callable[[], dict[str, Any]] = lambda: FIGURES,
        problems: Callable[[], dict[str, str]] = dict,
    ) -> FlaskClient:
        return create_ops_app(read_figures, problems, token, built=tmp_path).test_client()

    return opened


def test_this_machine_needs_no_token(open_page: Opens) -> None:
    client = open_page(None)

    assert "Figures" in client.get("/ops", buffered=True).text
    answer = client.get("/ops/report.json")
    assert answer.json == {"figures": FIGURES, "problems": {}}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["127.0.0.1:8001", "localhost:9000", "[::1]:8001"])
def test_names_of_this_machine(open_page: Opens, host: str) -> None:
    assert open_page(None).get("/ops/report.json", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", [REBOUND, "localhost.evil.example", "10.0.0.7:8001", ""])
def test_a_name_that_somebody_pointed_here_is_refused(open_page: Opens, host: str) -> None:
    client = open_page(None)

    assert client.get("/ops/report.json", headers={"Host": host}).status_code == 403
    page = client.get("/ops", headers={"Host": host})
    assert page.status_code == 403
    assert "Figures" not in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer \u00e9"},
        {"Cookie": "postbro_ops="},
        {"Cookie": f"postbro_ops={TOKEN}"},
        {"Host": "127.0.0.1"},
    ],
    ids=str,
)
def test_without_the_token_there_is_a_form_and_no_figure(open_page: Opens, headers: dict[str, Any]) -> None:
    client = open_page(TOKEN, read_figures=lambda: pytest.fail("asked for the figures"))

    page = client.get("/ops", headers=headers, buffered=True)
    assert (page.status_code, page.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "Sign in" in page.text
    answer = client.get("/ops/report.json", headers=headers)
    assert answer.status_code == 401
    assert set(answer.get_json()) == {"message"}


def test_a_bearer_is_let_in(open_page: Opens) -> None:
    headers = {"Authorization": f"bearer {TOKEN}", "Host": REBOUND}
    assert open_page(TOKEN).get("/ops/report.json", headers=headers).get_json()["figures"] == FIGURES


def test_the_form_lets_in_with_a_cookie_that_is_not_the_token(open_page: Opens) -> None:
    client = open_page(TOKEN)

    answer = client.post("/ops", data={"token": TOKEN})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/ops")
    cookie = answer.headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/ops"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert "Figures" in client.get("/ops", buffered=True).text
    assert client.get("/ops/report.json").status_code == 200


def test_behind_tls_the_cookie_is_for_tls_alone(open_page: Opens) -> None:
    answer = open_page(TOKEN).post("/ops", data={"token": TOKEN}, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("form", [{}, {"token": ""}, {"token": "wrong"}, {"token": "\u00e9"}])
def test_another_token_is_sent_back_to_the_form(open_page: Opens, form: dict[str, Any]) -> None:
    answer = open_page(TOKEN).post("/ops", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ops#refused")
    assert "Set-Cookie" not in answer.headers


def test_where_there_is_no_token_none_is_right(open_page: Opens) -> None:
    assert "Set-Cookie" not in open_page(None).post("/ops", data={"token": ""}).headers


def test_a_form_that_is_too_long_is_refused(open_page: Opens) -> None:
    assert open_page(TOKEN).post("/ops", data={"token": "x" * 10_000}).status_code == 413


def test_a_cookie_of_another_token_is_worth_nothing(open_page: Opens) -> None:
    old = open_page(TOKEN[::-1]).post("/ops", data={"token": TOKEN[::-1]})
    cookie = old.headers["Set-Cookie"].split(";")[0]
    assert open_page(TOKEN).get("/ops/report.json", headers={"Cookie": cookie}).status_code == 401


def test_the_figures_cannot_be_read(open_page: Opens) -> None:
    def away() -> None:
        raise DatabaseAway("ops_report: ConnectError")

    problems = {"api": "The Supabase API does not answer."}
    answer = open_page(None, away, lambda: problems).get("/ops/report.json")

    assert answer.status_code == 503
    assert answer.json == {"message": "The database did not answer.", "problems": problems}


@pytest.mark.parametrize("path", ["/ops", "/ops/report.json", "/ops/assets/ops-1a2b.css"])
@pytest.mark.parametrize("token", [None, TOKEN])
def test_every_answer_is_guarded(open_page: Opens, path: str, token: str | None) -> None:
    with open_page(token).get(path) as answer:
        headers = answer.headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
    assert policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/ops/assets/../index.html", "/ops/assets/%2e%2e/index.html", "/ops/assets/x.js"])
def test_nothing_but_built_files_is_handed_out(open_page: Opens, path: str) -> None:
    assert open_page(TOKEN).get(path).status_code == 404


@pytest.mark.parametrize("path", ["/ops", "/ops/report.json", "/metrics"])
def test_where_health_is_asked_no_figure_is_told(open_page: Opens, path: str) -> None:
    assert create_health_app(dict, lambda: True).test_client().get(path).status_code == 404
    assert open_page(TOKEN).get("/readyz").status_code == 404


def test_a_page_that_is_not_built_says_what_to_do(tmp_path: Path) -> None:
    answer = create_ops_app(dict, dict, None, built=tmp_path / "nowhere").test_client().get("/ops")
    assert answer.status_code == 503
    assert "make build" in answer.text
