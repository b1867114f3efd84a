"""The curl examples of worker/web/README.md, run as they stand there."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.browser.chat_page import PASSWORD, sign_up
from tests.support.documents import examples
from tests.support.people import People
from worker.local.stack import Stack

EXAMPLES = examples("The HTTP API", "sh")


def run(example: str, told: dict[str, str], folder: Path) -> str:
    result = subprocess.run(
        ["/bin/bash", "-euc", example],
        env={**os.environ, **told},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.usefixtures("worker")
def test_every_example_does_what_the_document_says(house: Stack, people: People, tmp_path: Path) -> None:
    member = sign_up(house, people)
    told = {
        "WEB": house.environment["WEB_URL"],
        "API": house.environment["SUPABASE_URL"],
        "KEY": house.environment["SUPABASE_PUBLISHABLE_KEY"],
        "EMAIL": member.email,
        "PASSWORD": PASSWORD,
    }
    signing_in, opening, listing, session, asking, asking_only, streaming, history, export = EXAMPLES

    signed_in = run(f'{signing_in}echo "$TOKEN" "$ANALYSIS"', told, tmp_path)
    told["TOKEN"], told["ANALYSIS"] = signed_in.split()
    assert told["ANALYSIS"] == str(member.analysis)
    told["SESSION"] = json.loads(run(opening, told, tmp_path))["session_id"]
    assert [each["id"] for each in json.loads(run(listing, told, tmp_path))["sessions"]] == [told["SESSION"]]
    assert json.loads(run(session, told, tmp_path))["messages"] == []
    assert json.loads(run(asking, told, tmp_path))["assistant_message"]["content"]
    assert json.loads(run(asking_only, told, tmp_path))["status"] in ("pending", "answering")
    events = re.findall(r"^event: (\w+)$", run(streaming, told, tmp_path), re.MULTILINE)
    assert (events[0], events[-1]) == ("user_message", "assistant_message")
    assert [each["role"] for each in json.loads(run(history, told, tmp_path))["messages"]] == [
        "user",
        "assistant",
    ] * 3
    run(export, told, tmp_path)
    assert (tmp_path / "chat.pdf").read_bytes().startswith(b"%PDF-")
