"""The browser's own library, in Node: what it hears of one question."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.accounts import sign_up
from tests.support.documents import examples
from tests.support.people import People
from worker.local.stack import NODE, Stack

HERE = Path(__file__).parent


def run(script: str, told: dict[str, str]) -> list[str]:
    """The script's lines on standard output."""
    result = subprocess.run(
        [str(NODE), str(HERE / script)],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_supabase_js_hears_deltas_statuses_the_answer_and_the_rows(worker: Stack, people: People) -> None:
    chat, told = sign_up(worker, people)
    lines = run("listen.mjs", {**told, "SESSION_ID": str(chat.session), "QUESTION": "How many likes did it get?"})
    heard: dict[str, Any] = json.loads(lines[-1])

    assert heard["status"] == 201
    statuses = [payload["record"]["status"] for event, payload in heard["events"] if event == "reply"]
    assert statuses == ["pending", "answering", "completed"]
    messages = [payload["record"] for event, payload in heard["events"] if event == "message"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    streamed = "".join(payload["text"] for event, payload in heard["events"] if event == "delta")
    assert streamed == messages[1]["content"]
    assert "48,210" in streamed

    rows = [(table, kind) for table, kind, _ in heard["rows"]]
    assert sorted(rows) == [
        ("chat_messages", "INSERT"),
        ("chat_messages", "INSERT"),
        ("chat_replies", "INSERT"),
        ("chat_replies", "UPDATE"),
        ("chat_replies", "UPDATE"),
    ]
    answers = [row["content"] for table, _, row in heard["rows"] if table == "chat_messages" and row["reply_to"]]
    assert answers == [streamed]


def test_the_readme_shows_the_example_that_is_run_here() -> None:
    assert examples("A complete client", "js") == [(HERE / "readme_example.mjs").read_text()]


def test_the_readme_example_streams_an_answer_and_ends_with_the_stored_one(worker: Stack, people: People) -> None:
    _, told = sign_up(worker, people)
    names = {"URL": "SUPABASE_URL", "KEY": "SUPABASE_PUBLISHABLE_KEY", "EMAIL": "EMAIL", "PASSWORD": "PASSWORD"}
    lines = run("readme_example.mjs", {name: told[source] for name, source in names.items()})
    ended = json.loads(lines[-1])
    assert ended["stored"]
    assert ended["streamed"] == ended["stored"]


def test_the_short_examples_of_the_channel_do_what_the_document_says(worker: Stack, people: People) -> None:
    chat, told = sign_up(worker, people)
    snippets = [*examples("Versions", "js"), *examples("Plain `postgres_changes`", "js")]
    told |= {"SESSION_ID": str(chat.session), "EXAMPLES": json.dumps([each.strip() for each in snippets])}
    heard = json.loads(run("protocol_examples.mjs", told)[-1])
    assert heard["row"]["session_id"] == str(chat.session)
    shown = [turn["id"] for turn in heard["turns"]]
    assert heard["id"] == shown[0]
    assert heard["oldId"] not in shown
    answers = {turn["id"]: turn["reply"]["question"]["answers"] for turn in heard["turns"]}
    assert all(answer["reply_to"] == question for question, found in answers.items() for answer in found)
