"""A proxy of the environment is named, with the clients that use it, and without its password."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from worker.check import proxies
from worker.config import WorkerSettings
from worker.network import proxies as settings_of_proxies


@pytest.fixture(autouse=True)
def _no_proxies() -> Iterator[None]:
    """It starts without any, and leaves none behind: settling them writes to the environment itself."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


def told(**settings: Any) -> list[str]:
    needed = {"supabase_url": "https://abc.supabase.co", "supabase_secret_key": "unused", "gemini_api_key": "unused"}
    made = WorkerSettings(_env_file=None, **{**needed, **settings})
    return [finding.words for finding in proxies.judge(made)]


def test_without_a_proxy_nothing_is_said() -> None:
    assert told() == []


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_clients_that_use_it_are_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://somebody:secret-7f3a@proxy.internal:3128")

    [words] = told()
    assert words == (
        "A proxy is used for the Supabase API (proxy.internal:3128), for Realtime (proxy.internal:3128), "
        "for Gemini (proxy.internal:3128), as the environment says."
    )


def test_one_that_only_some_of_them_use_is_named_with_those(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.internal:3128")

    [words] = told()
    assert "Supabase API" in words
    assert "Gemini" in words
    assert "Realtime" not in words, "the library of its socket does not look there"


@pytest.mark.parametrize("name", ["SOCKS_PROXY", "WSS_PROXY"])
def test_one_that_only_the_socket_uses_is_named_with_realtime(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "socks5://proxy.internal:1080")

    [words] = told()
    assert words == "A proxy is used for Realtime (proxy.internal:1080), as the environment says."


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_one_of_socks_is_named_with_all_that_use_it(monkeypatch: pytest.MonkeyPatch, name: str, scheme: str) -> None:
    monkeypatch.setenv(name, f"{scheme}://somebody:secret-7f3a@proxy.internal")
    settings_of_proxies.settle()  # as a command does before it checks

    [words] = told()
    assert words == (
        "A proxy is used for the Supabase API (proxy.internal:1080), for Realtime (proxy.internal:1080), "
        "for Gemini (proxy.internal:1080), as the environment says."
    )


def test_it_goes_by_the_addresses_that_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.internal:3128")

    [words] = told(gemini_base_url="http://model.internal", otel_exporter_otlp_endpoint="https://traces.internal")
    assert "Gemini" not in words
    assert "for traces (proxy.internal:3128)" in words


def test_what_is_reached_without_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.internal:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://other.internal:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,.supabase.co")

    [words] = told(otel_exporter_otlp_endpoint="http://127.0.0.1:4318")
    assert words == "A proxy is used for Gemini (proxy.internal:3128), as the environment says."
