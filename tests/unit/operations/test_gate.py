"""The gate before the operator's page and the metrics: whom it refuses, in which words, and what it tells of it."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from tests.support.served import Served, request
from worker import ops_token
from worker.network.serving import Server, listen
from worker.operations import attempts, refusals
from worker.operations.app import create_ops_app
from worker.telemetry import metrics

TOKEN = ops_token.make()
PATHS = ("/ops", "/ops/report.json", "/metrics")
ROOT = Path(__file__).resolve().parents[3]


class Buffered(FlaskClient):
    """Reads each answer at once, so that no file stays open."""

    def open(self, *arguments: Any, **more: Any) -> Any:
        return super().open(*arguments, **{"buffered": True, **more})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds; the last of them is now."""
    seconds = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: seconds[-1])
    return seconds


@pytest.fixture
def open_port(tmp_path: Path) -> Callable[[str | None], FlaskClient]:
    for name in ("index.html", "sign-in.html"):
        (tmp_path / name).write_text(f"<!doctype html><title>{name}</title>")

    def opened(token: str | None) -> FlaskClient:
        app = create_ops_app(lambda: {"queue": {}}, dict, token, built=tmp_path)
        app.test_client_class = Buffered
        return app.test_client()

    return opened


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[str | None], Served]]:
    """The same over a socket."""
    (tmp_path / "index.html").write_text("<!doctype html>")
    servers = []

    def serve(token: str | None) -> Served:
        servers.append(Server(create_ops_app(dict, dict, token, built=tmp_path), listen("127.0.0.1", 0)))
        return Served(servers[-1], "")

    yield serve
    for server in servers:
        server.close()


def refused(reason: str) -> float:
    return metrics.REGISTRY.get_sample_value("postbro_ops_refused_total", {"reason": reason}) or 0.0


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


FORWARDED = [
    "Forwarded: for=203.0.113.9",
    "Via: 1.1 proxy",
    "X-Forwarded-For: 203.0.113.9",
    "X-Forwarded-Host: ops.example.com",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Server: a",
    "X-Forwarded: for=203.0.113.9",
    "x-forwarded-anything-else: a",
    "X-Real-IP: 203.0.113.9",
    "X-Client-IP: 203.0.113.9",
    "X-Cluster-Client-IP: 203.0.113.9",
    "X-Original-Forwarded-For: 203.0.113.9",
    "X-Original-Host: ops.example.com",
    "X-Envoy-External-Address: 203.0.113.9",
    "X-Amzn-Trace-Id: Root=1",
    "X-Azure-ClientIP: 203.0.113.9",
    "X-ARR-SSL: a",
    "CF-Connecting-IP: 203.0.113.9",
    "CF-Ray: 1",
    "CDN-Loop: cloudflare",
    "True-Client-IP: 203.0.113.9",
    "Fastly-Client-IP: 203.0.113.9",
    "Fly-Client-IP: 203.0.113.9",
    "Client-IP: 203.0.113.9",
    "Tailscale-User-Login: a@example.com",
    "Via:",
]


@pytest.mark.parametrize("header", FORWARDED)
def test_without_a_token_what_a_proxy_sends_on_is_refused(open_port: Any, header: str) -> None:
    name, _, value = header.partition(": ")
    client, before = open_port(None), refused("forwarded")
    for path in PATHS:
        answer = client.get(path, headers={"Host": "127.0.0.1:8002", name.rstrip(":"): value})
        assert answer.status_code == 403
        assert "set OPS_TOKEN (`python -m worker ops-token` makes one)" in answer.text
    assert refused("forwarded") == before + len(PATHS)


def test_a_proxy_that_adds_nothing_is_known_by_its_older_protocol(served: Callable[..., Served]) -> None:
    """nginx with `proxy_pass` alone sends this, with a Host of this machine."""
    port = served(None)
    for path in PATHS:
        told = port.send(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:8002\r\nConnection: close\r\n\r\n".encode())
        assert told.split(b" ", 2)[1] == b"403", told
        assert b"Behind a proxy these figures need a token" in told


def test_what_this_machine_asks_itself_is_answered(served: Callable[..., Served]) -> None:
    """As a browser, curl and Prometheus ask, through `ssh -L` too."""
    headers = (
        "Accept: */*",
        "Referer: http://127.0.0.1:8002/ops",
        "Sec-Fetch-Site: same-origin",
        "X-Requested-With: a",
    )
    for path in PATHS:
        told = served(None).send(request("GET", path, *headers, "X-Prometheus-Scrape-Timeout-Seconds: 10"))
        assert told.split(b" ", 2)[1] == b"200", told


def test_with_the_token_a_proxy_may_be_before_it(open_port: Any) -> None:
    for header in FORWARDED:
        name, _, value = header.partition(": ")
        headers = {"Host": "ops.example.com", name.rstrip(":"): value, **bearer(TOKEN)}
        assert open_port(TOKEN).get("/metrics", headers=headers).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_after_five_wrong_tokens_none_of_that_address_is_looked_at_for_a_minute(
    open_port: Any, clock: list[float], path: str
) -> None:
    client, paused, wrong = open_port(TOKEN), refused("paused"), refused("wrong_token")
    for number in range(attempts.MOST_WRONG):
        assert client.get(path, headers=bearer(f"{TOKEN}{number}")).status_code == 401
    for _ in range(3):
        held = client.get(path, headers=bearer(TOKEN))
        assert (held.status_code, held.headers["Retry-After"]) == (429, "60")
    # One gate for all: neither another path nor the form goes round it.
    assert {client.get(each, headers=bearer(TOKEN)).status_code for each in PATHS} == {429}
    form = client.post("/ops", data={"token": TOKEN})
    assert (form.headers["Location"], "Set-Cookie" in form.headers) == ("/ops#paused", False)
    assert refused("wrong_token") == wrong + attempts.MOST_WRONG
    assert refused("paused") == paused + 3 + len(PATHS) + 1

    clock.append(clock[-1] + attempts.PAUSE_SECONDS)
    assert client.get(path, headers=bearer(TOKEN)).status_code == 200


def test_wrong_tokens_of_the_form_count_too(open_port: Any) -> None:
    client = open_port(TOKEN)
    places = [client.post("/ops", data={"token": "wrong"}).headers["Location"] for _ in range(7)]
    assert places == ["/ops#refused"] * 5 + ["/ops#paused"] * 2


def test_nobody_else_is_held_up_by_guesses(open_port: Any) -> None:
    client = open_port(TOKEN)
    client.post("/ops", data={"token": TOKEN})  # the client keeps the cookie, which is for /ops
    for _ in range(9):
        client.get("/metrics", headers=bearer("wrong"))
    # Another address with the token, and the same one with what was signed in before.
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/metrics", headers=bearer(TOKEN), environ_overrides=elsewhere).status_code == 200
    assert client.get("/ops/report.json").status_code == 200


def test_guessing_costs_no_thread(served: Callable[..., Served]) -> None:
    port = served(TOKEN)
    began = threading.active_count()
    for _ in range(40):
        port.send(request("GET", "/metrics", "Authorization: Bearer wrong"))
    assert threading.active_count() == began
    assert port.send(request("GET", "/metrics", f"Authorization: Bearer {TOKEN}")).startswith(b"HTTP/1.1 429 ")


def test_a_machine_has_its_whole_network_and_no_other() -> None:
    counted = attempts.Attempts()
    for number in range(attempts.MOST_WRONG):
        counted.count_wrong(f"2001:db8::{number:x}")
        counted.count_wrong("::ffff:192.0.2.1")
    assert counted.are_paused("2001:db8::abcd%eth0")
    assert not counted.are_paused("2001:db8:0:1::1")
    assert counted.are_paused("::ffff:192.0.2.1")
    assert not counted.are_paused("::ffff:192.0.2.2")
    assert not counted.are_paused("")


def test_however_many_guess_memory_stays_bounded() -> None:
    counted = attempts.Attempts()
    for number in range(attempts.MOST_ADDRESSES + 50):
        counted.count_wrong(f"10.0.{number // 250}.{number % 250}")
    assert len(counted._wrong) == attempts.MOST_ADDRESSES


def test_refusals_are_told_without_the_token_and_without_filling_the_disk(open_port: Any, clock: list[float]) -> None:
    guess = "sb_guess-7f3a"
    with capture_logs() as lines:
        client = open_port(TOKEN)
        for _ in range(4):
            client.get("/metrics", headers=bearer(guess))
        client.get("/metrics")
        clock.append(clock[-1] + refusals.LINE_SECONDS)
        client.post("/ops", data={"token": guess})
    told = [(line["action"], line["log_level"], line["reason"], line["path"], line["count"]) for line in lines]
    assert told == [
        ("ops_refused", "warning", "wrong_token", "/metrics", 1),
        ("ops_refused", "warning", "no_token", "/metrics", 1),
        ("ops_refused", "warning", "wrong_token", "/ops", 4),
    ]
    assert {line["address"] for line in lines} == {"127.0.0.1"}
    assert guess not in str(lines)
    assert TOKEN not in str(lines)


def test_each_reason_is_a_figure_from_the_start() -> None:
    shown = {
        sample.labels["reason"]
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
        if sample.name == "postbro_ops_refused_total"
    }
    assert shown == {"no_token", "wrong_token", "paused", "forwarded", "other_name"}


def test_the_form_has_words_for_both_refusals() -> None:
    form = (ROOT / "worker/operations/ui/sign-in.html").read_text()
    assert re.findall(r'<p id="(\w+)">', form) == ["refused", "paused"]
