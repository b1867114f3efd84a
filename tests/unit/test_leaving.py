"""A process that was asked to stop is gone in time, though a thread of it never ends."""

import subprocess
import sys

STUCK = """
import threading
from worker.leaving import leave_within
leave_within({seconds})
if {hangs}:
    threading.Thread(target=threading.Event().wait).start()
"""


def ended(seconds: float, hangs: bool) -> subprocess.CompletedProcess[str]:
    code = STUCK.format(seconds=seconds, hangs=hangs)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_what_hangs_is_left_behind() -> None:
    process = ended(0.1, hangs=True)
    assert process.returncode == 1
    assert "left_hanging" in process.stdout + process.stderr


def test_who_ends_before_is_not_waited_for() -> None:
    assert ended(3_600, hangs=False).returncode == 0
