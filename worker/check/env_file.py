"""`.env`, which holds the secret keys: whether only its owner may read it."""

import stat
from pathlib import Path

from worker.check.findings import Finding

FILE = Path(".env")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def judge(file: Path = FILE) -> list[Finding]:
    """Empty if there is no such file, or only its owner has access."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return []
    if not mode & OTHERS:
        return []
    words = f".env is open to other accounts of this machine (mode {mode:03o}), and holds secrets."
    return [Finding("warning", "settings", words, "Run: chmod 600 .env")]
