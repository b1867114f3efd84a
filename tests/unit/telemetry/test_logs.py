"""Log lines: each is one JSON object with an action that worker/README.md lists; none repeats an error's words."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import rows

ROOT = Path(__file__).resolve().parents[3]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    for file in sorted((ROOT / "worker").rglob("*.py")):
        if ROOT / "worker/local" in file.parents:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and ast.unparse(node.func.value) in ("log", "logger", "logging")
            ):
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def constants(node: ast.expr | None) -> list[str]:
    """The strings that an expression may be; nothing if it may be something else."""
    if isinstance(node, ast.IfExp):
        return constants(node.body) + constants(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def action_of(call: ast.Call) -> list[str]:
    return constants(next((word.value for word in call.keywords if word.arg == "action"), None))


CALLS = list(log_calls())


@pytest.mark.parametrize("call", [pytest.param(call, id=place) for place, call in CALLS])
def test_every_line_is_a_sentence_with_an_action(call: ast.Call) -> None:
    [sentence] = call.args
    assert constants(sentence), "what changes stands in its own field"
    for words in constants(sentence):
        assert re.fullmatch(r"[A-Z].*\.", words)
    assert action_of(call)
    # An action that is given is a stable word; exc_info would print an error's words.
    assert "exc_info" not in [word.arg for word in call.keywords]


def test_the_document_lists_the_actions_there_are_and_no_others() -> None:
    listed = [action for words, *_ in rows("Logs") for action in re.findall(r"`(\w+)`", words)]
    # Libraries' lines get theirs in logs.py.
    assert sorted(listed) == sorted({action for _, call in CALLS for action in action_of(call)} | {"library"})


def run(code: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, with standard error into a pipe: not a terminal."""
    program = f"from worker.telemetry import logs\nlogs.configure()\n{code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)


def test_our_lines_are_json_with_the_ids_that_are_bound() -> None:
    ended = run(
        "import structlog\nstructlog.contextvars.bind_contextvars(worker_id='w1')\n"
        "structlog.get_logger().info('All is well.', action='started', latency_ms=3)"
    )
    line = json.loads(ended.stderr)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "All is well.", "action": "started", "latency_ms": 3, "level": "info", "worker_id": "w1"}


def test_every_line_names_the_worker_whoever_writes_it_and_by_its_newest_id() -> None:
    ended = run(
        "import logging, structlog, threading\nlog = structlog.get_logger()\n"
        "def tell(): log.info('All is well.', action='started')\n"
        "logs.identify('w1')\nthread = threading.Thread(target=tell)\nthread.start(); thread.join()\n"
        "logs.identify('w2')\ntell()\nlogging.getLogger('some.library').warning('Full')"
    )
    assert [json.loads(line)["worker_id"] for line in ended.stderr.splitlines()] == ["w1", "w2", "w2"]


def test_libraries_are_json_from_warnings_on() -> None:
    ended = run(
        "import logging, warnings\nlog = logging.getLogger('some.library')\n"
        "log.info('chatter')\nlog.warning('Pool %s is\\nfull', 'p1')\nwarnings.warn('old ways', stacklevel=1)"
    )
    first, second = map(json.loads, ended.stderr.splitlines())
    assert (first["event"], first["logger"], first["action"]) == ("Pool p1 is\nfull", "some.library", "library")
    assert "old ways" in second["event"]


@pytest.mark.parametrize(
    "code",
    [
        "import logging\n"
        "try:\n    int('sentinel')\nexcept ValueError:\n    logging.getLogger('x').exception('Failed')",
        "int('sentinel')",
        "import threading\nthread = threading.Thread(target=int, args=['sentinel'])\nthread.start(); thread.join()",
        # A task that fails unheard, and is forgotten.
        "import asyncio, gc\n"
        "async def fail(): int('sentinel')\n"
        "async def main():\n"
        "    asyncio.get_running_loop().set_exception_handler(logs.tell_of_unheard)\n"
        "    task = asyncio.create_task(fail()); await asyncio.sleep(0); del task; gc.collect()\n"
        "asyncio.run(main())",
    ],
    ids=["of a library", "that ends the program", "of a thread", "of a task"],
)
def test_an_error_is_told_by_kind_and_place_and_never_by_its_words(code: str) -> None:
    ended = run(code)
    line = json.loads(ended.stderr)
    assert line["error"] == "ValueError"
    assert re.search(r"\w+:\d+ \w+|<string>:\d+", line["where"])
    assert "sentinel" not in ended.stderr


def test_a_crash_of_ours_says_what_to_do() -> None:
    ended = run("raise OSError(98, 'Cannot listen on 127.0.0.1:1: it is taken. Choose another port.')")
    line = json.loads(ended.stderr)
    assert line["action"] == "crashed"
    assert "Choose another port" in line["reason"]
    assert ended.returncode == 1
