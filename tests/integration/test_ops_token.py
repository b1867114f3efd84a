"""`python -m worker ops-token`: what it prints is a token that a worker takes, and another one each time."""

import subprocess
import sys

from worker import ops_token


def printed() -> str:
    ended = subprocess.run([sys.executable, "-m", "worker", "ops-token"], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    return ended.stdout


def test_it_prints_a_strong_token_and_nothing_else() -> None:
    one, other = printed(), printed()
    assert one != other
    for line in (one, other):
        assert line == f"{line.strip()}\n"
        assert len(line.strip()) == 43  # 32 random bytes
        ops_token.require_strength(line.strip())
