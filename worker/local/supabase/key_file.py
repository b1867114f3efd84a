"""The keys of the local project: made once, kept in a file that only its owner may read."""

import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from worker.local.processes import StartError


@dataclass(frozen=True)
class Keys:
    publishable: str = field(repr=False)
    secret: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    postgres: str = field(repr=False)


def load_or_create(path: Path) -> Keys:
    """The keys stored at `path`; made at the first call, so that tokens survive a restart. Its folder is there."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # of two first starts, one makes the keys that both have
        return _load(path) if path.exists() else _create(path)
    finally:
        os.close(folder)


def _load(path: Path) -> Keys:
    try:
        return Keys(**json.loads(path.read_text()))
    except (ValueError, TypeError):
        raise StartError(f"{path} cannot be read: remove it, and new keys are made at the next start.") from None


def _create(path: Path) -> Keys:
    keys = Keys(
        publishable=f"sb_publishable_{secrets.token_urlsafe(24)}",
        secret=f"sb_secret_{secrets.token_urlsafe(24)}",
        jwt_secret=secrets.token_urlsafe(48),
        postgres=secrets.token_urlsafe(32),
    )
    # Written aside and renamed: a file cut short by a crash would stop every later start.
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(keys), file, indent=2)
    draft.rename(path)
    return keys
