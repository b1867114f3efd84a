"""What is printed when the local stack is ready."""

import json
import logging
from pathlib import Path

import pytest

from worker.local.command import _announce
from worker.local.settings import Ports
from worker.local.stack import Stack

REAL_KEY = "a-real-key-7f3a"


OPS_TOKEN = "an-operators-token-8b1c"


def announced(stack: Stack, models: str | None, capture: pytest.CaptureFixture[str]) -> dict[str, str | None]:
    _announce(stack, models)
    printed: dict[str, str | None] = json.loads(capture.readouterr().out)
    return printed


def test_a_real_key_is_not_printed_but_the_models_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", REAL_KEY)
    caplog.set_level(logging.INFO)
    printed = announced(Stack(tmp_path, ports=Ports.free(), model=False), "first,second", capsys)
    assert REAL_KEY not in json.dumps(printed) + caplog.text
    assert printed["GEMINI_API_KEY"] is None
    assert "first,second" in caplog.text


def test_offline_it_prints_all_that_a_worker_needs_and_says_that_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stack = Stack(tmp_path, ports=Ports.free())
    printed = announced(stack, None, capsys)
    assert printed["GEMINI_BASE_URL"] == f"http://127.0.0.1:{stack.ports.model}"
    assert printed["GEMINI_API_KEY"] == "offline"
    assert "set GEMINI_API_KEY for Gemini" in caplog.text


@pytest.mark.parametrize(
    ("has_token", "hint"), [(False, ""), (True, " (sign in with OPS_TOKEN, from .env or the environment)")]
)
def test_it_names_the_operators_page_and_where_its_token_is_but_not_the_token(
    has_token: bool,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OPS_TOKEN", OPS_TOKEN)
    caplog.set_level(logging.INFO)
    stack = Stack(tmp_path, ports=Ports.free())
    _announce(stack, None, has_token)
    (line,) = [message for message in caplog.messages if "Operator's page" in message]
    assert line.split(maxsplit=2)[2] == f"http://127.0.0.1:{stack.ports.ops}/ops{hint}"
    assert OPS_TOKEN not in capsys.readouterr().out + caplog.text


def test_without_a_worker_there_is_no_operators_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    _announce(Stack(tmp_path, ports=Ports.free(), worker=False), None)
    assert "Operator's page" not in caplog.text
