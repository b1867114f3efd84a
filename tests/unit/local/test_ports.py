"""A port is given to one process at a time, whether it listens on it already or not."""

import subprocess
import sys

import pytest

from worker.local.settings import FREE_PORTS, take

TAKE = "import sys; from worker.local.settings import take; print(take(int(sys.argv[1])))"


def taken_elsewhere(port: int) -> bool:
    """Whether a new process is given it; that process has ended by then."""
    ended = subprocess.run([sys.executable, "-c", TAKE, str(port)], capture_output=True, text=True, check=True)
    return ended.stdout == "True\n"


@pytest.fixture
def port() -> int:
    """Above those that stacks are given, so that none of them is disturbed."""
    return FREE_PORTS.stop + 1


def test_what_is_given_to_one_process_no_other_gets(port: int) -> None:
    # Twice: it is free again with the end of the process that had it.
    assert taken_elsewhere(port)
    assert taken_elsewhere(port)
    assert take(port)
    assert not taken_elsewhere(port)
    assert not take(port)
