"""Runs the Supabase CLI without prompts, Docker or telemetry."""

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from worker.local import secret_names
from worker.local.processes import PARENT_DEATH, StartError, bound_to_parent

ROOT = Path(__file__).resolve().parents[3]
CLI = ROOT / "node_modules/@supabase/cli-linux-x64/bin/supabase"


def run(*arguments: str, database_url: str) -> str:
    """Run it on this database and return its standard output. Raises StartError with its output if it fails."""
    password = urlsplit(database_url).password or ""
    # All users of a machine can read command lines, so the password goes into the environment.
    address = database_url.replace(f":{password}@", "@")
    inherited = {name: value for name, value in os.environ.items() if name not in secret_names.ALL}
    result = subprocess.run(
        bound_to_parent([str(CLI), *arguments, f"--remote={address}"], PARENT_DEATH),
        env={
            **inherited,
            "PGPASSWORD": password,
            "DO_NOT_TRACK": "1",
            "SUPABASE_TELEMETRY_DISABLED": "1",
            # The embedded server has no TLS, and the CLI would print a warning when TLS fails.
            "PGSSLMODE": "disable",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise StartError((result.stderr + result.stdout).strip())
    return result.stdout
