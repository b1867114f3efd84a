"""`python -m worker check`, as an operator runs it: misconfigurations are planted, one by one, and named."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.check_command import SECONDS, Check, Printed, Result, Run, run_forked
from worker.local.stack import ROOT, Stack

Inspect = Callable[[Printed, dict[str, str]], Printed]


@pytest.fixture
def whole_house(house: Stack) -> Stack:
    for service in house.services.values():
        service.start()
    return house


@pytest.fixture
def inspect(whole_house: Stack) -> Inspect:
    """What is true of every run."""

    def inspected(printed: Printed, settings: dict[str, str]) -> Printed:
        assert printed.stderr == ""
        for secret in (whole_house.environment["SUPABASE_SECRET_KEY"], settings.get("SUPABASE_SECRET_KEY")):
            assert secret is None or secret not in printed.stdout
        return printed

    return inspected


@pytest.fixture
def run(whole_house: Stack, inspect: Inspect, tmp_path: Path) -> Run:
    """The command in an empty directory, with the house's settings and those given."""

    def command(*arguments: str, **settings: str) -> Printed:
        ended = subprocess.run(
            [sys.executable, "-m", "worker", "check", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **whole_house.environment, **settings},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return inspect(Printed(ended.returncode, ended.stdout, ended.stderr), settings)

    return command


@pytest.fixture
def check(whole_house: Stack, inspect: Inspect, tmp_path: Path) -> Check:
    """The same, and its findings; in a process that has the command's modules already."""

    def checked(**settings: str) -> Result:
        printed = run_forked(["--json"], {**os.environ, **whole_house.environment, **settings}, tmp_path)
        return inspect(printed, settings).returncode, json.loads(printed.stdout)["findings"]

    return checked
