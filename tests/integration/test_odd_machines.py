"""The local stack on machines that are not as the developer's: it works, or ends with a sentence."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from worker.local.settings import Ports
from worker.local.stack import POSTGRES_BINARIES, ROOT
from worker.local.supabase.passwords import SUPERUSER
from worker.local.supabase.postgres import Postgres

LOCAL = [sys.executable, "-m", "worker", "local"]


def test_programs_that_only_their_owner_may_read_are_run(tmp_path: Path) -> None:
    """What root installs with a umask of 077; Postgres itself does not run as root."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(POSTGRES_BINARIES.parent, private / "native", symlinks=True)
    for path in (private / "native").rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    server = Postgres(
        tmp_path / "data",
        private / "native" / POSTGRES_BINARIES.name,
        port=Ports.free().postgres,
        secret="of-this-server",
        durable=False,
        log=tmp_path / "log",
    )
    server.start()
    try:
        with psycopg.connect(server.url(SUPERUSER)) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        server.stop()


REFUSING = """
import errno, os
from worker.local import command
class Refusing:
    def __init__(self, *_, **__):
        raise OSError(errno.{number}, os.strerror(errno.{number}), "/data/keys.json")
command.Stack = Refusing
command.local(["--ephemeral"])
"""


def ends_with_a_sentence(code: str, **environment: str) -> str:
    """What it says, having ended by itself with neither a traceback nor a line for machines."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, ""), result.stderr
    assert not any(line.startswith(("{", "Traceback")) for line in result.stderr.splitlines()), result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("ENOSPC", "/data/keys.json: No space left on device. Make room"),
        ("EROFS", "/data/keys.json: Read-only file system. Use a copy of this folder that can be written"),
        ("EACCES", "/data/keys.json: Permission denied. Use a copy of this folder that is yours"),
        ("EIO", "/data/keys.json: Input/output error."),
    ],
)
def test_what_the_system_refuses_is_told_with_its_remedy(number: str, words: str) -> None:
    assert words in ends_with_a_sentence(REFUSING.format(number=number))


def test_a_program_that_is_missing_is_named() -> None:
    code = 'from worker.local.command import local; local(["--ephemeral"])'
    assert "setpriv: No such file or directory. Is it installed?" in ends_with_a_sentence(code, PATH="/nowhere")


def test_a_user_without_an_account_is_told_that_postgres_needs_one() -> None:
    code = "import os; os.geteuid = lambda: 54_321_012\n"
    code += 'from worker.local.command import local; local(["--ephemeral"])'
    assert "user 54321012 has none here: use one that has" in ends_with_a_sentence(code)


def test_nowhere_to_put_temporary_files_is_told() -> None:
    code = 'import tempfile; tempfile._candidate_tempdir_list = lambda: ["/nowhere"]\n'
    code += 'from worker.local.command import local; local(["--ephemeral"])'
    assert "No usable temporary directory found in ['/nowhere']" in ends_with_a_sentence(code)


def test_a_user_without_a_home_has_one_for_the_programs_that_ask() -> None:
    """Node and the Supabase CLI end where neither HOME nor the system's list of users names one."""
    code = 'import os; del os.environ["HOME"]\n' + REFUSING.format(number="EIO").replace(
        '"/data', 'os.environ["HOME"] + "'
    )
    assert f"{tempfile.gettempdir()}/keys.json: Input/output error." in ends_with_a_sentence(code)


def test_it_listens_on_this_machine_alone_and_says_so(tmp_path: Path) -> None:
    hosts = {"WEB_HOST": "192.0.2.1", "HEALTH_HOST": "0.0.0.0", "OPS_HOST": "::"}
    with (
        (tmp_path / "told").open("w") as told,
        subprocess.Popen(
            [*LOCAL, "--ephemeral"],
            env={**os.environ, **hosts},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
    text = (tmp_path / "told").read_text()
    assert json.loads(line or "{}").get("WEB_URL", "").startswith("http://127.0.0.1:"), text
    assert [f"{name} is not heeded" in text for name in hosts] == [True, True, True]
