"""`.env`, which holds the secret keys: whether anybody but its owner gets at them."""

import stat
from pathlib import Path

from worker.check.findings import Finding

FILE = Path(".env")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def judge(file: Path = FILE) -> list[Finding]:
    """Nothing where there is no such file, or it is its owner's alone."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return []
    if not mode & OTHERS:
        return []
    words = f".env is open to other accounts of this machine (mode {mode:03o}), and holds secrets."
    return [Finding("warning", "settings", words, "Run: chmod 600 .env")]
