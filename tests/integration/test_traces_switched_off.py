"""A worker that sends no traces does not load what makes them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_switched_off_nothing_of_it_is_imported() -> None:
    code = (
        "import sys, worker.run, worker.telemetry.traces\n"
        "worker.run._traces_to(None, 'w1')\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ended.stdout.strip() == "[]"
