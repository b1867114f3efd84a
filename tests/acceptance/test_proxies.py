"""Behind a proxy: all that leaves the machine goes through it, and nothing that stays on it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.house import ELSEWHERE
from tests.support.proxy import proxy
from worker.local.stack import ROOT, Stack

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_project_that_only_a_proxy_reaches_is_reached_by_requests_and_by_sockets(
    house: Stack, tmp_path: Path, scheme: str
) -> None:
    for service in house.services.values():
        service.start()
    settings = {**house.environment, "SUPABASE_URL": f"http://{ELSEWHERE}:{house.ports.api}"}
    with proxy() as between:
        result = subprocess.run(
            [sys.executable, "-m", "worker", "check", "--json"],
            env={**_without_proxies(), **settings, "ALL_PROXY": f"{scheme}://127.0.0.1:{between.port}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    words = [each["words"] for each in json.loads(result.stdout)["findings"] if each["level"] == "ok"]
    assert "A wake-up from the database arrived." in words, result.stdout
    assert "A broadcast like the worker's arrived." in words
    hosts = {asked.split()[1].rpartition(":")[0] for asked in between.asked}
    assert hosts == {ELSEWHERE}  # and not the model, which is on this machine
    # Realtime's socket is a tunnel of its own.
    assert any(asked.startswith(("CONNECT", "SOCKS")) for asked in between.asked)


def test_the_local_stack_asks_no_proxy_for_itself() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "worker", "local", "--ephemeral", "--demo"],
        env={**_without_proxies(), "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NODE_USE_ENV_PROXY": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as stack:
        try:
            assert stack.stdout is not None
            line = stack.stdout.readline()
        finally:
            stack.send_signal(signal.SIGTERM)
            _, told = stack.communicate()
    assert urlsplit(json.loads(line or "{}").get("SUPABASE_URL")).hostname == "127.0.0.1", told
    assert stack.returncode == 0, told


def test_a_proxy_that_cannot_be_used_is_told_by_name_and_not_repeated(tmp_path: Path) -> None:
    for command in ("run", "web", "check", "local"):
        result = subprocess.run(
            [sys.executable, "-m", "worker", command],
            env={**_without_proxies(), "HTTPS_PROXY": "socks4://u:hidden-7f3a@proxy.test:1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told = result.stdout + result.stderr
        assert result.returncode in (1, 2), told
        assert "HTTPS_PROXY: Only http, https and SOCKS 5 proxies are supported." in told, told
        assert "7f3a" not in told
        assert "Traceback" not in told


def _without_proxies() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "PYTHONPATH": str(ROOT)}
