"""`python -m worker check`, as an operator runs it, and what it found."""

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from worker.__main__ import main
from worker.local.stack import Stack

SECONDS = 120.0
STREAMS = ("stdout", "stderr")

# Each run is a fresh process of a parent that has imported everything: importing costs more than all that is tested.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["worker.check.command", __name__])


@dataclass(frozen=True)
class Printed:
    returncode: int
    stdout: str
    stderr: str


Findings = list[dict[str, str]]
Result = tuple[int, Findings]
Run = Callable[..., Printed]
Check = Callable[..., Result]


def run_forked(arguments: Sequence[str], environment: Mapping[str, str], directory: Path) -> Printed:
    """The command with this environment and no other, in this directory."""
    with tempfile.TemporaryDirectory() as output:
        process = _processes.Process(target=_become, args=(list(arguments), dict(environment), directory, output))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"not over after {SECONDS:g} s")
        return Printed(process.exitcode, *(Path(output, name).read_text() for name in STREAMS))


def _become(arguments: list[str], environment: dict[str, str], directory: Path, output: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    for number, name in enumerate(STREAMS, start=1):
        os.dup2(os.open(Path(output, name), os.O_WRONLY | os.O_CREAT), number)
    main(["check", *arguments])


def told(findings: Findings, *levels: str) -> list[str]:
    """Everything of these levels, words and remedy."""
    return [f"{each['words']} {each['remedy']}".strip() for each in findings if each["level"] in levels]


def the_problem(result: Result) -> str:
    """The only thing that is wrong, of which the exit status speaks."""
    status, findings = result
    problems = told(findings, "problem")
    assert (status, len(problems)) == (1, 1), problems
    return problems[0]


def of(project: Stack) -> dict[str, str]:
    """Settings that lead to another project."""
    names = ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY")
    return {name: project.environment[name] for name in names}


@contextmanager
def planted(database: psycopg.Connection[Any], misdeed: str, undo: str) -> Iterator[None]:
    database.execute(misdeed.encode())
    try:
        yield
    finally:
        database.execute(undo.encode())


@contextmanager
def lost_broadcasts(project: Stack) -> Iterator[None]:
    """What the database sends is stored, and delivered to nobody."""
    faults = f"http://127.0.0.1:{project.ports.realtime}/faults"
    httpx.post(faults, json={"fault": "lose_broadcasts"}).raise_for_status()
    try:
        yield
    finally:
        httpx.delete(faults).raise_for_status()
