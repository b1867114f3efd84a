"""A port is given to one process at a time, whether it listens on it already or not."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from worker.local.settings import take

# Each port of its input is asked for by a process that has ended before the answer is told.
TAKE = """
import os, sys
from worker.local.settings import take
for line in sys.stdin:
    child = os.fork()
    if not child:
        os._exit(0 if take(int(line)) else 1)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.fixture
def taken_elsewhere() -> Iterator[Callable[[int], bool]]:
    """Whether a new process is given the port; that process has ended by then."""
    command = [sys.executable, "-c", TAKE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asked:

        def taken(port: int) -> bool:
            assert asked.stdin is not None
            assert asked.stdout is not None
            print(port, file=asked.stdin, flush=True)
            return {"0\n": True, "1\n": False}[asked.stdout.readline()]

        yield taken


@pytest.fixture
def port() -> int:
    """Above all that there are, and another one for each run of the tests: several may run at once."""
    return 65_536 + os.getpid()


def test_what_is_given_to_one_process_no_other_gets(taken_elsewhere: Callable[[int], bool], port: int) -> None:
    # Twice: it is free again with the end of the process that had it.
    assert taken_elsewhere(port)
    assert taken_elsewhere(port)
    assert take(port)
    assert not taken_elsewhere(port)
    assert not take(port)
