"""The suite against a project that it did not start: by its address and keys alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import NAMES, PREFIX, Project
from worker.local.stack import ROOT, Stack

HERE = Path(__file__).parent.relative_to(ROOT)
SOME = [HERE / f"test_{name}.py" for name in ("s1_connection", "s3_1_subscribing", "s4_1_broadcast_by_socket")]


def named(project: Project) -> dict[str, str]:
    return {PREFIX + name: getattr(project, field) for field, name in NAMES.items()}


def suite(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of its own, which knows of nothing else that is set here."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", PREFIX))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments)],
        cwd=ROOT,
        env=plain | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_suite_passes_on_a_project_that_it_is_given(realtime: Stack, tmp_path: Path) -> None:
    project = Project.of(realtime.environment)
    ran = suite(*SOME, f"--basetemp={tmp_path / 'made'}", **named(project))

    assert ran.returncode == 0, ran.stdout
    left_out = 3  # two start a server with other pauses, one asks the stand-in's own port
    assert f"conformance of {project.url}; {left_out} tests of the stand-in's own are left out" in ran.stdout
    assert f"{left_out} deselected" in ran.stdout
    assert list((tmp_path / "made").glob("realtime*")) == [], "no stack of its own"


def test_a_project_that_is_named_in_part_is_refused() -> None:
    """Or the stand-in would be tested in its place."""
    given = named(Project("https://project.test", "a key", "a secret key", "a secret", "postgresql://database.test"))
    del given["CONFORMANCE_SUPABASE_JWT_SECRET"]
    ran = suite(*SOME, "--collect-only", **given)

    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert "Not set: CONFORMANCE_SUPABASE_JWT_SECRET." in ran.stderr
    assert "a secret key" not in ran.stderr + ran.stdout
