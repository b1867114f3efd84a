"""The embedded Postgres lets nobody in without a password: one for each role that logs in, out of one secret."""

import hashlib
import hmac
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from worker.local.processes import StartError

SUPERUSER = "supabase_admin"
# Each process is told that of its own role alone. No other role has one, so none of them can log in.
ROLES = ("postgres", "lite_login", "realtime_login")
ENTRANCE = "host all all 127.0.0.1/32 scram-sha-256\n"


def password_of(role: str, secret: str) -> str:
    """64 hexadecimal digits. Who has one learns nothing of the secret, nor of another role's."""
    return hmac.digest(secret.encode(), role.encode(), "sha256").hex()


def guard(directory: Path, secret: str, command: Callable[[list[str]], list[str]]) -> None:
    """Give the superuser of the stopped server at `directory` its password and close every door but that.

    Done once, and again where the secret is another: a key file that was removed locks nobody out of their data.
    `command` makes a command line of Postgres out of its options. Raises StartError if Postgres refuses.
    """
    password = password_of(SUPERUSER, secret)
    done, mark = directory / "guarded_by", hashlib.sha256((ENTRANCE + password).encode()).hexdigest()
    if done.exists() and done.read_text() == mark:
        return
    (directory / "pg_hba.conf").write_text(ENTRANCE)
    # Alone with its data, Postgres listens nowhere and asks for no password. Its library of statistics would keep it.
    result = subprocess.run(
        command(["-c", "exit_on_error=on", "-c", "shared_preload_libraries=", "template1"]),
        input=f"alter role {SUPERUSER} password '{password}'\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise StartError(f"Postgres was given no password:\n{result.stderr.strip()}")
    done.write_text(mark)


def give(connection: psycopg.Connection, secret: str) -> None:
    """Give the roles that log in their passwords, as the superuser. As hashes: Postgres keeps statements."""
    for role in ROLES:
        hashed = connection.pgconn.encrypt_password(
            password_of(role, secret).encode(), role.encode(), b"scram-sha-256"
        )
        statement = sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(hashed.decode()))
        connection.execute(statement)
